//! Construction: rows and predicates match, and the engine says precisely where they do not.

use super::*;
use crate::checks::registered;

const LOOKUPS_ONLY: &str = r#"
stage = "deposit"
rule = []
"#;

#[test]
fn the_shipped_rules_build_an_engine() {
    let engine = Engine::new().unwrap();
    for rule in engine.table() {
        let judged = registered().iter().any(|one| one.rule == rule.id.as_str());
        assert_eq!(judged, rule.kind == Kind::Check, "{}", rule.id);
    }
}

#[test]
fn a_predicate_without_a_row_is_named() {
    let table = RuleTable::from_files(&[("none.toml", LOOKUPS_ONLY)]).unwrap();
    let refused = Engine::from_parts(table, Calendar::embedded().unwrap()).unwrap_err();
    assert_eq!(
        refused,
        EngineError::Table(TableError::NoRow {
            rule: "P1".to_owned()
        })
    );
}

#[test]
fn a_row_without_a_predicate_is_named() {
    let text = include_str!("../../data/rules/intent.toml").replace("id = \"P3\"", "id = \"X9\"");
    let table = RuleTable::from_files(&[("intent.toml", &text)]).unwrap();
    let refused = Engine::from_parts(table, Calendar::embedded().unwrap()).unwrap_err();
    assert_eq!(
        refused,
        EngineError::Table(TableError::NoPredicate {
            rule: "X9".to_owned()
        })
    );
}

#[test]
fn a_row_without_its_parameter_is_named() {
    let text = include_str!("../../data/rules/intent.toml").replace(
        "minimum = { calendar_days = 30 }",
        "minimum = { basis_points = 30 }",
    );
    let table = RuleTable::from_files(&[("intent.toml", &text)]).unwrap();
    let refused = Engine::from_parts(table, Calendar::embedded().unwrap()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the predicate of the rule P1 needs minimum as days, the row for government_procurement lacks it"
    );
}
