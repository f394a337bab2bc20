//! Lines of the table that `tests/bench.sh` collects.

/// One measured value beside its peer of the same run.
pub fn line(name: &str, value: f64, unit: &str, ratio: f64, against: &str) {
    let value = if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.3}")
    };
    println!("{name}\t{value}\t{unit}\t{ratio:.2}\t{against}");
}
