use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::write;

fn written<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut out = b"before".to_vec();
    write(&mut out, value)?;
    Ok(String::from_utf8(out.split_off("before".len())).unwrap())
}

#[track_caller]
fn is_written_alike<T: Serialize + ?Sized>(value: &T) {
    let expected = serde_json::to_string(value).unwrap();
    assert_eq!(written(value).unwrap(), expected);
}

#[test]
fn every_character_is_written_as_serde_json_writes_it() {
    let mut buffer = [0; 4];
    for character in '\0'..=char::MAX {
        is_written_alike(&character);
        is_written_alike::<str>(character.encode_utf8(&mut buffer));
    }
}

#[test]
fn what_is_escaped_is_found_at_every_place_of_every_length() {
    for length in 0..70 {
        for place in 0..length {
            for odd in ["\"", "\\", "\n", "\0", "\u{1f}", "\u{7f}", "é", "\u{2028}"] {
                let (before, after) = (place, length - place - 1);
                is_written_alike(&format!(
                    "{}{odd}{}{odd}",
                    "x".repeat(before),
                    "y".repeat(after)
                ));
            }
        }
        is_written_alike(&" ".repeat(length));
        is_written_alike(&"\"".repeat(length));
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct Tuple(i8, &'static str);

#[derive(Serialize)]
#[serde(tag = "kind")]
enum Tagged {
    Inside { a: u8 },
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
enum Variant {
    Unit,
    Newtype(u8),
    Tuple(u8, char),
    Struct { a: u8, b: Option<bool> },
    Empty {},
}

#[derive(Serialize)]
struct Everything<'a> {
    nothing: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
    unit: Unit,
    newtype: Newtype,
    tuple: Tuple,
    #[serde(rename = "a name")]
    named: (),
    numbers: (i8, i16, i32, i64, u8, u16, u32, u64),
    wide: (i128, u128),
    floats: Vec<f64>,
    narrow: [f32; 3],
    variants: Vec<Variant>,
    tagged: Tagged,
    numbered: BTreeMap<i64, u8>,
    judged: BTreeMap<bool, u8>,
    lettered: BTreeMap<char, u8>,
    of_variants: BTreeMap<Variant, u8>,
    empty: (Vec<u8>, BTreeMap<String, u8>),
    raw: &'a RawValue,
    #[serde(flatten)]
    flat: BTreeMap<&'static str, &'a RawValue>,
}

#[test]
fn every_kind_of_value_is_written_as_serde_json_writes_it() {
    let raw: &RawValue = serde_json::from_str(r#"{"a" : [1, "\u0041"]}"#).unwrap();
    is_written_alike(&Everything {
        nothing: None,
        left_out: None,
        unit: Unit,
        newtype: Newtype(7),
        tuple: Tuple(i8::MIN, "a\tb"),
        named: (),
        numbers: (
            i8::MIN,
            i16::MIN,
            i32::MIN,
            i64::MIN,
            u8::MAX,
            u16::MAX,
            u32::MAX,
            u64::MAX,
        ),
        wide: (i128::MIN, u128::MAX),
        floats: vec![0.0, -0.0, 1.0, 1e300, 5e-324, 0.1, f64::NAN, f64::INFINITY],
        narrow: [0.1, f32::MAX, f32::NAN],
        variants: vec![
            Variant::Unit,
            Variant::Newtype(1),
            Variant::Tuple(2, '"'),
            Variant::Struct { a: 3, b: None },
            Variant::Empty {},
        ],
        tagged: Tagged::Inside { a: 1 },
        numbered: [(-1, 1), (0, 2)].into(),
        judged: [(false, 1), (true, 2)].into(),
        lettered: [('"', 1)].into(),
        of_variants: [(Variant::Unit, 1)].into(),
        empty: (Vec::new(), BTreeMap::new()),
        raw,
        flat: [("x", raw), ("y", raw)].into(),
    });
    is_written_alike(&[raw, raw]);
    is_written_alike(&[0_u8; 0]);
    is_written_alike(&Some(Some("x")));
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    for refused in [
        written(&BTreeMap::from([((), 1)])),
        written(&BTreeMap::from([(vec![1], 1)])),
        written(&BTreeMap::from([(Some("x"), 1), (None, 2)])),
        written(&BTreeMap::from([(Variant::Newtype(1), 1)])),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), "key must be a string");
    }
}

/// A text of one to three parts, each of one kind.
fn random_text(random: &mut StdRng) -> String {
    let parts = random.random_range(0..4);
    let mut text = String::new();
    for _ in 0..parts {
        let length = random.random_range(0..20);
        let to = [0x20, 0x80, 0x2030, 0x1_0000, 0x11_0000][random.random_range(0..5)];
        let characters = (0..length).filter_map(|_| char::from_u32(random.random_range(0..to)));
        text.extend(characters);
    }
    text
}

fn random_value(random: &mut StdRng, depth: u8) -> Value {
    match random.random_range(0..if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => random.random::<bool>().into(),
        2 => random.random::<i64>().into(),
        3 => random.random::<f64>().into(),
        4 => random_text(random).into(),
        5 => (0..random.random_range(0..5))
            .map(|_| random_value(random, depth - 1))
            .collect(),
        _ => (0..random.random_range(0..5))
            .map(|_| (random_text(random), random_value(random, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

#[test]
fn any_value_is_written_as_serde_json_writes_it() {
    let mut random = StdRng::seed_from_u64(16);
    for _ in 0..20_000 {
        is_written_alike(&random_value(&mut random, 4));
    }
}
