//! Removes debug data from a component.

use crate::component::structure::LEVELS;

/// Removes names and debug information from a component and all nested modules.
///
/// Keeps the `producers` section. Returns the bytes unchanged if they are not WebAssembly, if they are incomplete, or
/// if they nest components more than 100 levels deep, which the harness does not run.
#[must_use]
pub fn strip(wasm: &[u8]) -> Vec<u8> {
    stripped(wasm, LEVELS).unwrap_or_else(|| wasm.to_vec())
}

/// The bytes before the first section: the magic number and the version.
const HEADER_BYTES: usize = 8;
/// The IDs of the sections that are not copied as they are. In components, sections with the last two IDs contain a
/// nested module or component; in core modules, these IDs mean something else.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

fn stripped(wasm: &[u8], levels: usize) -> Option<Vec<u8>> {
    let (header, mut rest) = wasm.split_at_checked(HEADER_BYTES)?;
    let nests = wasmparser::Parser::is_component(wasm);
    if !nests && !wasmparser::Parser::is_core_wasm(wasm) {
        return None;
    }
    let mut out = header.to_vec();
    while let Some((&id, after)) = rest.split_first() {
        let (size, after) = number(after)?;
        let (content, after) = after.split_at_checked(size)?;
        match id {
            CUSTOM if is_for_debuggers(content) => {}
            CORE_MODULE if nests => section(&mut out, id, &stripped(content, 0)?),
            COMPONENT if nests => section(&mut out, id, &stripped(content, levels.checked_sub(1)?)?),
            _ => section(&mut out, id, content),
        }
        rest = after;
    }
    Some(out)
}

fn is_for_debuggers(custom: &[u8]) -> bool {
    let name = number(custom).and_then(|(len, rest)| rest.get(..len));
    name.is_some_and(|name| {
        matches!(name, b"name" | b"component-name" | b"sourceMappingURL" | b"external_debug_info")
            || name.starts_with(b".debug_")
            || name.starts_with(b"reloc.")
    })
}

fn section(out: &mut Vec<u8>, id: u8, content: &[u8]) {
    out.push(id);
    let mut size = content.len();
    loop {
        let low = (size & 0x7f) as u8;
        size >>= 7;
        if size == 0 {
            out.push(low);
            break;
        }
        out.push(low | 0x80);
    }
    out.extend_from_slice(content);
}

/// Reads a `u32` in LEB128.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";
    const COMPONENT_HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

    fn custom(name: &str) -> Vec<u8> {
        let mut content = vec![name.len() as u8];
        content.extend(name.bytes());
        content.resize(content.len() + 200, b'x');
        let mut out = Vec::new();
        section(&mut out, CUSTOM, &content);
        out
    }

    #[test]
    fn names_are_removed_at_every_depth_and_nothing_else_is() {
        let module = |names: &[&str]| [MODULE.to_vec(), names.iter().flat_map(|name| custom(name)).collect()].concat();
        let component = |names: &[&str], module: &[u8]| {
            let mut out = COMPONENT_HEADER.to_vec();
            section(&mut out, CORE_MODULE, module);
            out.extend(names.iter().flat_map(|name| custom(name)));
            out
        };
        let full = component(&["component-name", "producers"], &module(&["name", ".debug_info", "producers"]));
        let bare = component(&["producers"], &module(&["producers"]));
        assert!(strip(&full) == bare);
        assert!(strip(&bare) == bare, "stripping twice changes nothing");
    }

    #[test]
    fn what_is_cut_or_something_else_comes_back_as_it_is() {
        let whole = [COMPONENT_HEADER.to_vec(), custom("name")].concat();
        for cut in 0..whole.len() {
            let expected = &whole[..cut];
            assert_eq!(strip(&whole[..cut]), expected);
        }
        assert_eq!(strip(b"no wasm at all"), b"no wasm at all");
    }
}
