//! Small components that expand enormously: reading them would exhaust the memory or the stack.

use std::fs;
use std::path::Path;

use wayside_harness::{Harness, strip};

use super::super::command::{temporary, wayside};
use super::{FAILED, refused};

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// The numbers of section kinds in the binary format of components.
const CORE_MODULE: u8 = 1;
const NESTED: u8 = 4;
const INSTANCES: u8 = 5;
const ALIASES: u8 = 6;
const TYPES: u8 = 7;
const IMPORTS: u8 = 10;

fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &number(content.len()), content].concat()
}

fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT.to_vec(), sections.concat()].concat()
}

/// Nests components to this depth.
fn nested(levels: usize) -> Vec<u8> {
    // Makes the header of the innermost component first, and reverses all headers at the end. Putting each header in
    // front of the others at once would take quadratic time.
    let (mut heads, mut size) = (Vec::new(), COMPONENT.len());
    for _ in 0..levels {
        let head = [COMPONENT, &[NESTED], &number(size)].concat();
        size += head.len();
        heads.push(head);
    }
    heads.reverse();
    [heads.concat(), COMPONENT.to_vec()].concat()
}

/// A component with a type of components (0x41) or of instances (0x42). The type declares another one of its kind, and
/// so on to this depth.
fn nested_types(kind: u8, levels: usize) -> Vec<u8> {
    let types = [&[1][..], &[kind, 1, 1].repeat(levels - 1), &[kind, 0]].concat();
    component(&[section(TYPES, &types)])
}

/// A section that instantiates the component with this index twice.
fn two_of(index: u8) -> Vec<u8> {
    section(INSTANCES, &[&[2][..], &[0, index, 0].repeat(2)].concat())
}

/// Nested components, each of which instantiates its inner component twice.
fn doubled_inwards(levels: usize) -> Vec<u8> {
    (0..levels).fold(COMPONENT.to_vec(), |inner, _| component(&[section(NESTED, &inner), two_of(0)]))
}

/// Components in a row, each of which instantiates the previous one twice.
fn doubled_in_a_row(components: u8) -> Vec<u8> {
    let one = |index| {
        let alias = section(ALIASES, &[1, 4, 2, 1, index]);
        section(NESTED, &component(&[alias, two_of(0)]))
    };
    let all: Vec<_> = (0..components).map(one).collect();
    component(&[section(NESTED, COMPONENT), all.concat(), two_of(components)])
}

/// A component with an inner one that imports a component and instantiates it twice.
fn doubled_unseen() -> Vec<u8> {
    let ty = section(TYPES, &[1, 0x41, 0]);
    let import = section(IMPORTS, &[1, 0, 1, b'a', 4, 0]);
    component(&[section(NESTED, &component(&[ty, import, two_of(0)]))])
}

fn written(dir: &Path, name: &str, contents: &[u8]) -> std::path::PathBuf {
    let file = dir.join(name).with_extension("wasm");
    fs::write(&file, contents).unwrap();
    file
}

#[tokio::test]
async fn a_small_component_that_describes_too_much_is_refused_before_it_is_compiled() {
    let dir = temporary("hostile-small");
    let modules = |number| component(&[section(CORE_MODULE, MODULE).repeat(number)]);
    for (name, contents, what) in [
        ("levels", nested(101), "nests components more than 100 levels deep"),
        ("more-levels", nested(60_000), "nests components more than 100 levels deep"),
        ("component-types", nested_types(0x41, 101), "nests types more than 100 levels deep"),
        ("more-component-types", nested_types(0x41, 100_000), "nests types more than 100 levels deep"),
        ("instance-types", nested_types(0x42, 100_000), "nests types more than 100 levels deep"),
        ("modules", modules(1001), "has more than 1000 modules and components within it"),
        ("components", component(&[section(NESTED, &modules(500)).repeat(2)]), "has more than 1000 modules"),
        ("doubled-inwards", doubled_inwards(60), "is made of more than 10000 instances"),
        ("doubled-in-a-row", doubled_in_a_row(60), "is made of more than 10000 instances"),
        ("doubled-unseen", doubled_unseen(), "instantiates a component that it is only given"),
    ] {
        let file = written(&dir, name, &contents);
        refused(FAILED, wayside().arg("request").arg(&file), &[&file.to_string_lossy(), what]);
        let error = Harness::load(&file).await.unwrap_err();
        assert!(error.to_string().contains(what) && error.help().is_some(), "{error}");
    }
}

#[tokio::test]
async fn what_is_within_the_limits_is_compiled() {
    let dir = temporary("hostile-within");
    for (name, contents) in [
        ("levels", nested(100)),
        ("component-types", nested_types(0x41, 100)),
        ("instance-types", nested_types(0x42, 100)),
        ("doubled-inwards", doubled_inwards(8)),
        ("doubled-in-a-row", doubled_in_a_row(8)),
    ] {
        let error = Harness::load(written(&dir, name, &contents)).await.unwrap_err();
        assert!(error.to_string().contains("is no HTTP handler: it exports nothing"), "{name}: {error}");
    }
}

#[test]
fn a_component_of_too_many_levels_is_not_stripped() {
    let deep = nested(60_000);
    assert!(strip(&deep) == deep);
}
