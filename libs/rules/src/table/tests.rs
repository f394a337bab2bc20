//! The table: strict reading, selection by track, place and day.

use super::*;

const ROW: &str = r#"
stage = "notice"

[[rule]]
id = "T1"
kind = "check"
tracks = ["GP"]
title_zh = "甲"
title_en = "a"
law_zh = "法第一条"
law_en = "Law, art 1"
effective_from = "2020-01-01"
effective_to = "2022-12-31"
parameters = { minimum = { calendar_days = 20 } }
effect = "refuse"
confidence = "V"
explanation_zh = "说明"
explanation_en = "explained"
"#;

fn scope(place: &str, on: &str) -> Scope {
    Scope {
        track: Track::GovernmentProcurement,
        jurisdiction: Jurisdiction::parse(place).unwrap(),
        on: on.parse().unwrap(),
    }
}

fn second_row(changes: &[(&str, &str)]) -> String {
    let row = ROW.split_once("[[rule]]").unwrap().1;
    let changed = changes
        .iter()
        .fold(row.to_owned(), |row, (from, to)| row.replace(from, to));
    format!("{ROW}\n[[rule]]{changed}")
}

fn read(text: &str) -> Result<RuleTable, TableError> {
    RuleTable::from_files(&[("t.toml", text)])
}

#[test]
fn rows_hold_between_their_days_on_their_track() {
    let table = read(ROW).unwrap();
    for (on, held) in [
        ("2019-12-31", false),
        ("2020-01-01", true),
        ("2022-12-31", true),
        ("2023-01-01", false),
    ] {
        assert_eq!(table.select("T1", &scope("CN", on)).is_some(), held, "{on}");
    }
    let mut engineering = scope("CN", "2021-01-01");
    engineering.track = Track::Engineering;
    assert!(table.select("T1", &engineering).is_none());
}

#[test]
fn the_nearest_place_wins_and_versions_follow_each_other() {
    let text = second_row(&[
        (
            "effective_from",
            "jurisdiction = \"CN-140600\"\neffective_from",
        ),
        ("calendar_days = 20", "calendar_days = 25"),
    ]);
    let table = read(&text).unwrap();
    let days = |place: &str| {
        let chosen = scope(place, "2021-06-01");
        let rule = table.select("T1", &chosen).unwrap();
        assert_eq!(table.in_force(&chosen), [rule]);
        rule.shown_parameters()
    };
    assert_eq!(days("CN-140602"), "25 calendar days");
    assert_eq!(days("CN-140600"), "25 calendar days");
    assert_eq!(days("CN-140000"), "20 calendar days");
    assert_eq!(days("CN-350000"), "20 calendar days");

    let text = second_row(&[("2020-01-01", "2023-01-01"), ("2022-12-31", "2023-12-31")]);
    assert_eq!(read(&text).unwrap().rules().len(), 2);
}

#[test]
fn wrong_rows_are_refused_precisely() {
    let error = |from: &str, to: &str| read(&ROW.replace(from, to)).unwrap_err().to_string();
    assert_eq!(
        error("\"法第一条\"", "\" \""),
        "the rule T1 in t.toml leaves law_zh empty"
    );
    assert_eq!(
        error("2022-12-31", "2019-12-31"),
        "the rule T1 in t.toml ends on 2019-12-31, before it starts on 2020-01-01"
    );
    assert_eq!(
        error("calendar_days = 20", "calendar_days = 20000"),
        "the rule T1 in t.toml has the impossible value 20000 calendar days for minimum"
    );
    assert!(error("[\"GP\"]", "[]").contains("leaves tracks empty"));
    assert!(error("\"check\"", "\"design\"").contains("leaves kept_by_zh empty"));
    assert!(error("confidence", "confidense").contains("cannot be read"));
    assert!(error("\"refuse\"", "\"forbid\"").contains("cannot be read"));
    assert!(error("effect = ", "jurisdiction = \"China\"\neffect = ").contains("wrong place"));
    assert!(
        error("confidence", "softened_effect = \"refuse\"\nconfidence").contains("is not milder")
    );
    let twice = read(&second_row(&[("2020-01-01", "2022-12-31")])).unwrap_err();
    assert_eq!(
        twice.to_string(),
        "two rows of the rule T1 for government_procurement and CN are in force at the same time, from 2022-12-31"
    );
}

#[test]
fn unconfirmed_rows_are_provisional_until_someone_confirms() {
    for (confidence, confirmed, provisional) in [
        ("V", "", false),
        ("V2", "", false),
        ("M", "", true),
        ("M?", "", true),
        ("M?", "confirmed_by = \"财政局 2026-11-01\"\n", false),
    ] {
        let text = ROW.replace(
            "confidence = \"V\"",
            &format!("{confirmed}confidence = \"{confidence}\""),
        );
        let table = read(&text).unwrap();
        assert_eq!(table.rules()[0].provisional(), provisional, "{confidence}");
    }
}

#[test]
fn words_have_one_machine_form() {
    for effect in Effect::ALL {
        assert_eq!(Effect::parse(effect.as_str()), Some(*effect));
    }
    assert!(Effect::Refuse > Effect::Warn && Effect::Warn > Effect::Record);
    for stage in RuleStage::ALL {
        assert_eq!(RuleStage::parse(stage.as_str()), Some(*stage));
    }
}

#[test]
fn every_shipped_row_cites_an_article() {
    for rule in RuleTable::embedded().unwrap().rules() {
        let cited = rule.law_en.contains("art")
            || rule.law_en.contains("item")
            || rule.id.as_str() == "P14";
        assert!(cited, "{}: {}", rule.id, rule.law_en);
        assert!(
            rule.law_zh.contains('第') || rule.id.as_str() == "P14",
            "{}: {}",
            rule.id,
            rule.law_zh
        );
    }
}
