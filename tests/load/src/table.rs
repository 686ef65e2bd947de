//! What was measured, and whether the targets were met.

use std::collections::BTreeMap;
use std::fmt;

/// Values by name, one for each round.
#[derive(Default)]
pub(crate) struct Samples(BTreeMap<String, Vec<f64>>);

impl Samples {
    pub(crate) fn add(&mut self, name: impl Into<String>, value: f64) {
        self.0.entry(name.into()).or_default().push(value);
    }

    /// The median of all rounds; nothing where it was not measured.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        median(self.0.get(name)?.iter().copied())
    }

    /// One as a part of another: the median of the rounds' ratios, for the two of a round met the
    /// same machine; where they were not measured in pairs, the ratio of the medians.
    pub(crate) fn ratio(&self, name: &str, of: &str) -> Option<f64> {
        let (these, those) = (self.0.get(name)?, self.0.get(of)?);
        if these.len() != those.len() {
            return Some(self.get(name)? / self.get(of)?);
        }
        median(these.iter().zip(those).map(|(this, that)| this / that))
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count.is_multiple_of(2) => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, values) in &self.0 {
            let values: Vec<String> = values.iter().map(|value| short(*value)).collect();
            writeln!(f, "{name}: {}", values.join(" "))?;
        }
        Ok(())
    }
}

/// Three digits that say something, with commas.
pub(crate) fn short(value: f64) -> String {
    let places = match value.abs() {
        0.0 => 0,
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.places$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (at, digit) in text.chars().enumerate() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) && digit != '-' {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A line of the table, in Markdown.
pub(crate) struct Row {
    pub(crate) what: String,
    /// chatd, Node, router.
    pub(crate) values: [Option<f64>; 3],
    pub(crate) target: String,
    pub(crate) met: Option<bool>,
}

pub(crate) fn print(rows: &[Row]) -> String {
    let mut out = String::from(
        "| what | chatd | Node | bare router | target | met |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let [chatd, node, router] = row.values.map(|value| value.map_or("".into(), short));
        let met = match row.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        let Row { what, target, .. } = row;
        out.push_str(&format!(
            "| {what} | {chatd} | {node} | {router} | {target} | {met} |\n"
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.1234, "0.123"),
            (9.876, "9.88"),
            (45.67, "45.7"),
            (999.4, "999"),
            (123_456.7, "123,457"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn the_median_is_of_all_rounds() {
        let mut samples = Samples::default();
        for value in [5.0, 1.0, 2.0] {
            samples.add("a", value);
        }
        samples.add("b", 1.0);
        samples.add("b", 3.0);
        assert_eq!(samples.get("a"), Some(2.0));
        assert_eq!(samples.ratio("a", "b"), Some(1.0));
        assert_eq!(samples.get("c"), None);
    }
}
