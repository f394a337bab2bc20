//! Statements over several rows: their text is made once per number of rows and kept, so that the
//! engines' statement caches stay small.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// The most rows of one statement; with the journal's eight columns far below both engines' limits.
const MOST_ROWS: usize = 64;
/// The numbers of rows that statements are made for: few enough to keep all of them prepared, close
/// enough that two or three make up nearly any batch.
const RUNS: [usize; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, MOST_ROWS];

/// A statement with `{rows}` where its value rows belong, and `{lock}` where PostgreSQL is told to
/// lock what it reads. The values themselves are always bound, never written into the text.
#[derive(Debug)]
pub struct Many {
    pub sql: &'static str,
    pub columns: usize,
}

/// How placeholders are written. SQLite finds a numbered one by walking a list, which for hundreds
/// of them costs more than the insert; plain ones it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Lite,
    Pg,
}

/// The texts made so far.
#[derive(Debug, Default)]
pub(super) struct Texts(Mutex<HashMap<(&'static str, usize), Arc<str>>>);

impl Texts {
    pub(super) fn text(&self, many: &Many, rows: usize, dialect: Dialect) -> Arc<str> {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = texts
            .entry((many.sql, rows))
            .or_insert_with(|| Arc::from(many.text(rows, dialect)));
        Arc::clone(text)
    }
}

impl Many {
    fn text(&self, rows: usize, dialect: Dialect) -> String {
        let mut values = String::new();
        for row in 0..rows {
            values.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..self.columns {
                let comma = if column == 0 { "" } else { ", " };
                // Writing to a String cannot fail.
                let _ = match dialect {
                    Dialect::Lite => write!(values, "{comma}?"),
                    Dialect::Pg => write!(values, "{comma}${}", row * self.columns + column + 1),
                };
            }
            values.push(')');
        }
        let lock = match dialect {
            Dialect::Lite => "",
            Dialect::Pg => "FOR UPDATE",
        };
        self.sql.replace("{rows}", &values).replace("{lock}", lock)
    }
}

/// The runs in which `count` rows are written: largest first, adding up to it.
pub(super) fn written_in(count: usize) -> impl Iterator<Item = usize> {
    let mut left = count;
    std::iter::from_fn(move || {
        let run = RUNS.into_iter().rev().find(|run| *run <= left)?;
        left -= run;
        Some(run)
    })
}

/// The runs in which `count` rows are looked up, each with the power of two it is padded to.
pub(super) fn looked_up_in(count: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut left = count;
    std::iter::from_fn(move || {
        let run = left.min(MOST_ROWS);
        left -= run;
        (run > 0).then(|| (run, run.next_power_of_two()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_number_their_placeholders_row_by_row() {
        let many = Many {
            sql: "INSERT INTO t (a, b) VALUES {rows} {lock}",
            columns: 2,
        };
        assert_eq!(
            many.text(2, Dialect::Pg),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) FOR UPDATE"
        );
        assert_eq!(
            many.text(2, Dialect::Lite),
            "INSERT INTO t (a, b) VALUES (?, ?), (?, ?) "
        );
    }

    #[test]
    fn runs_add_up() {
        for count in 0..300 {
            assert_eq!(written_in(count).sum::<usize>(), count);
            assert!(written_in(count).all(|run| RUNS.contains(&run)));
            assert!(written_in(count).count() <= count / MOST_ROWS + 3);
            assert_eq!(
                looked_up_in(count).map(|(run, _)| run).sum::<usize>(),
                count
            );
            assert!(looked_up_in(count).all(|(run, padded)| padded >= run && padded <= MOST_ROWS));
        }
        assert_eq!(written_in(37).collect::<Vec<_>>(), [32, 4, 1]);
        assert_eq!(written_in(63).collect::<Vec<_>>(), [48, 12, 3]);
    }
}
