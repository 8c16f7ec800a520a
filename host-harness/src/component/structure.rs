//! Limits the structure of a component, because a few hundred bytes can describe more than fits into the memory of a
//! machine.
//!
//! wasmtime reads nested types recursively. It uses some hundred kilobytes for each module or component within a
//! component, however small, and lists all instances before it checks their number. Components from real tools stay far
//! below these limits.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentType,
    ComponentTypeDeclaration, Parser, Payload,
};

/// The deepest nesting of components, and of types.
pub(crate) const LEVELS: usize = 100;
/// The most modules and components within a component.
const PARTS: usize = 1000;
/// The most instances of modules and components that a component may create.
const INSTANCES: u64 = 10_000;

/// Returns which limit a component exceeds. Reads up to the first invalid part, and leaves the error to wasmtime, which
/// reads the parts in the same order.
pub(super) fn excess(component: &[u8]) -> Option<String> {
    let mut walk = Walk { open: vec![Open::default()], in_module: false, parts: 0 };
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(Stop::from).and_then(|payload| walk.step(&payload, component)) {
            Ok(()) => {}
            Err(Stop::Invalid) => return None,
            Err(Stop::Excess(what)) => return Some(what),
        }
    }
    None
}

/// The reason to stop reading.
enum Stop {
    Invalid,
    Excess(String),
}

impl From<wasmparser::Error> for Stop {
    fn from(_: wasmparser::Error) -> Self {
        Self::Invalid
    }
}

struct Walk {
    /// The components around the current position, outermost first.
    open: Vec<Open>,
    in_module: bool,
    parts: usize,
}

/// A component that is being read.
#[derive(Default)]
struct Open {
    /// The number of instances that one instance of it creates.
    instances: u64,
    /// For each component that the open one can refer to by index: the number of instances that one instance of it
    /// creates. `None` if this number is unknown, as for an imported component.
    components: Vec<Option<u64>>,
}

impl Walk {
    fn step(&mut self, payload: &Payload<'_>, component: &[u8]) -> Result<(), Stop> {
        match payload {
            Payload::ModuleSection { .. } => {
                self.in_module = true;
                self.part()?;
            }
            Payload::ComponentSection { .. } => {
                self.open.push(Open::default());
                self.part()?;
            }
            Payload::End(_) if self.in_module => self.in_module = false,
            Payload::End(_) => self.end(),
            Payload::ComponentTypeSection(_) => types(payload, component)?,
            Payload::InstanceSection(instances) => self.make(u64::from(instances.count()))?,
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances.clone() {
                    self.instance(&instance?)?;
                }
            }
            _ => self.name(payload)?,
        }
        Ok(())
    }

    fn part(&mut self) -> Result<(), Stop> {
        self.parts += 1;
        // The outermost component is open too, but is not nested.
        if self.open.len() > LEVELS + 1 {
            return Err(Stop::Excess(format!("nests components more than {LEVELS} levels deep")));
        }
        if self.parts > PARTS {
            return Err(Stop::Excess(format!("has more than {PARTS} modules and components within it")));
        }
        Ok(())
    }

    fn end(&mut self) {
        let ended = self.open.pop();
        if let (Some(ended), Some(around)) = (ended, self.open.last_mut()) {
            around.components.push(Some(ended.instances));
        }
    }

    fn make(&mut self, instances: u64) -> Result<(), Stop> {
        let open = self.open.last_mut().ok_or(Stop::Invalid)?;
        open.instances = open.instances.saturating_add(instances);
        if open.instances > INSTANCES {
            return Err(Stop::Excess(format!("is made of more than {INSTANCES} instances")));
        }
        Ok(())
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), Stop> {
        let ComponentInstance::Instantiate { component_index, .. } = instance else { return self.make(1) };
        match self.component(0, *component_index)? {
            Some(instances) => self.make(instances + 1),
            None => Err(Stop::Excess("instantiates a component that it is only given".to_owned())),
        }
    }

    /// Adds the components that a section imports, exports or aliases.
    fn name(&mut self, payload: &Payload<'_>) -> Result<(), Stop> {
        let mut named = Vec::new();
        match payload {
            Payload::ComponentImportSection(imports) => {
                for import in imports.clone() {
                    let is_component = import?.ty.kind() == ComponentExternalKind::Component;
                    named.extend(is_component.then_some(None));
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports.clone() {
                    let export = export?;
                    if export.kind == ComponentExternalKind::Component {
                        named.push(self.component(0, export.index)?);
                    }
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases.clone() {
                    match alias? {
                        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => {
                            named.push(None);
                        }
                        ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                            named.push(self.component(count, index)?);
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        self.open.last_mut().ok_or(Stop::Invalid)?.components.extend(named);
        Ok(())
    }

    /// Returns the number of instances that one instance of a component creates. `index` belongs to the open component
    /// that is `outwards` levels further out than the current one.
    fn component(&self, outwards: u32, index: u32) -> Result<Option<u64>, Stop> {
        let open = self.open.iter().rev().nth(outwards as usize);
        open.and_then(|open| open.components.get(index as usize)).copied().ok_or(Stop::Invalid)
    }
}

/// Checks how deep the types of a section are nested, without recursion.
fn types(section: &Payload<'_>, component: &[u8]) -> Result<(), Stop> {
    const TYPE: u8 = 0x01;
    const COMPONENT: u8 = 0x41;
    const INSTANCE: u8 = 0x42;

    let bytes = section.as_section().and_then(|(_, range)| component.get(range)).ok_or(Stop::Invalid)?;
    let mut reader = BinaryReader::new(bytes, 0);
    // The number of unread items on each level. The items of the first level are types. Those of deeper levels are
    // declarations, some of which are types.
    let mut left = vec![reader.read_var_u32()?];
    while let Some(count) = left.last_mut() {
        let Some(less) = count.checked_sub(1) else {
            left.pop();
            continue;
        };
        *count = less;
        let mut ahead = reader.clone();
        let is_first_level = left.len() == 1;
        let is_type = is_first_level || ahead.read_u8()? == TYPE;
        if is_type && [COMPONENT, INSTANCE].contains(&ahead.read_u8()?) {
            if left.len() > LEVELS {
                return Err(Stop::Excess(format!("nests types more than {LEVELS} levels deep")));
            }
            left.push(ahead.read_var_u32()?);
            reader = ahead;
        } else if is_first_level {
            reader.read::<ComponentType<'_>>()?;
        } else {
            reader.read::<ComponentTypeDeclaration<'_>>()?;
        }
    }
    Ok(())
}
