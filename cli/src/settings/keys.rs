//! Finds unknown keys of a settings file, and suggests known ones.

use serde::de::{Deserialize, Deserializer, Error as _, Visitor, value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The largest edit distance between an unknown key and a suggested one.
const TYPO: usize = 3;

/// An unknown key.
pub(super) struct Unknown {
    pub(super) key: String,
    pub(super) offset: usize,
    known: &'static [&'static str],
}

impl Unknown {
    /// Returns the advice for the user: the most similar known key, or a list of all known keys.
    pub(super) fn help(&self) -> String {
        let distance = |known: &&&str| strsim::osa_distance(known, &self.key);
        match self.known.iter().min_by_key(distance) {
            Some(nearest) if distance(&nearest) <= TYPO => format!("write `{nearest}`"),
            _ => {
                let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
                format!("the keys here are {}", known.join(", "))
            }
        }
    }
}

/// Finds the first unknown key of a settings file, either at the top level or in the table of a component.
pub(super) fn find_unknown<'de, File: Deserialize<'de>, Table: Deserialize<'de>>(
    tree: &Spanned<DeTable<'_>>,
) -> Option<Unknown> {
    let top = unknown_in(tree.get_ref(), names::<File>());
    let components = tree.get_ref().get("component").and_then(|components| components.get_ref().as_table());
    let tables = components.into_iter().flat_map(|components| components.values());
    let tables = tables.filter_map(|table| DeValue::as_table(table.get_ref()));
    let below = tables.filter_map(|table| unknown_in(table, names::<Table>()));
    top.into_iter().chain(below).min_by_key(|unknown| unknown.offset)
}

fn unknown_in(table: &DeTable<'_>, known: &'static [&'static str]) -> Option<Unknown> {
    let unknown = table.keys().filter(|key| !known.contains(&&**key.get_ref()));
    let unknown = unknown.map(|key| Unknown { key: key.get_ref().to_string(), offset: key.span().start, known });
    unknown.min_by_key(|unknown| unknown.offset)
}

/// Returns the names of the fields of a type, which its `Deserialize` implementation tells.
fn names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // `Names` always returns an error, after it has stored the names.
    let _ = T::deserialize(Names(&mut names));
    names
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("nothing is here"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}
