//! The access table read and compared with the contracts: pure, so that it is tested like everything
//! else. Whatever is not understood is a fault; nothing is taken as meant.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

/// What the caller's organisation may have to do with a record, and what the program calls it.
const RELATIONS: [(&str, &str); 6] = [
    ("any", "Any"),
    ("own", "Own"),
    ("own-or-overseer", "OwnOrOverseer"),
    ("purchaser", "Purchaser"),
    ("holder", "Holder"),
    ("party", "Party"),
];

/// Fields of requests that name the record a call is about, in the order in which they are written.
const NAMING: [&str; 8] = [
    "name", "tender", "parent", "lot_id", "supplier", "service", "header", "intent",
];

/// Services that are not the project's own: their contracts are not compared.
const FOREIGN: &str = "grpc.";

/// What the contracts say that the table must agree with.
#[derive(Debug, Default)]
pub struct Contracts {
    /// By path without its first stroke: where the names in the request are.
    pub rpcs: BTreeMap<String, Vec<Vec<u32>>>,
    /// Roles as the table writes them, and what the program calls them.
    pub roles: BTreeMap<String, String>,
}

impl Contracts {
    pub fn of(files: &FileDescriptorSet) -> Self {
        let mut messages = BTreeMap::new();
        for file in &files.file {
            for message in &file.message_type {
                messages.insert(format!(".{}.{}", file.package(), message.name()), message);
            }
        }
        let mut contracts = Self::default();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("{}.{}/{}", file.package(), service.name(), method.name());
                    let names = messages.get(method.input_type());
                    let names = names.map_or_else(Vec::new, |input| names_in(input, &messages));
                    contracts.rpcs.insert(path, names);
                }
            }
            for kind in file.enum_type.iter().filter(|kind| kind.name() == "Role") {
                for value in kind.value.iter().filter(|value| value.number() != 0) {
                    let word = value.name().trim_start_matches("ROLE_").to_lowercase();
                    let (first, rest) = word.split_at(1);
                    let called = format!("{}{rest}", first.to_uppercase());
                    contracts.roles.insert(word, called);
                }
            }
        }
        contracts
    }
}

/// Where a request names what it is about: numbers of fields, of one within another at most.
fn names_in(
    input: &DescriptorProto,
    messages: &BTreeMap<String, &DescriptorProto>,
) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    for wanted in NAMING {
        let Some(field) = input.field.iter().find(|field| field.name() == wanted) else {
            continue;
        };
        let number = u32::try_from(field.number()).unwrap_or_default();
        match field.r#type() {
            Type::String => found.push(vec![number]),
            Type::Message => {
                let Some(inner) = messages.get(field.type_name()) else {
                    continue;
                };
                for wanted in NAMING {
                    let is_name = |one: &&prost_types::FieldDescriptorProto| {
                        one.name() == wanted && one.r#type() == Type::String
                    };
                    found.extend(
                        inner.field.iter().find(is_name).map(|one| {
                            vec![number, u32::try_from(one.number()).unwrap_or_default()]
                        }),
                    );
                }
            }
            _ => {}
        }
    }
    found
}

/// Who may call an RPC.
#[derive(Debug, PartialEq, Eq)]
enum Who {
    Public,
    SignedIn,
    Roles(Vec<String>),
}

#[derive(Debug)]
struct Line {
    who: Who,
    relation: &'static str,
    /// Roles whose reading is journaled.
    recorded: Vec<String>,
    text: String,
}

/// A table that agrees with the contracts.
#[derive(Debug)]
pub struct Checked {
    lines: BTreeMap<String, Line>,
    words: BTreeMap<String, (String, String)>,
    names: BTreeMap<String, Vec<Vec<u32>>>,
    roles: BTreeMap<String, String>,
}

/// The table and its words, or everything that is wrong with them.
pub fn check(table: &str, words: &str, contracts: &Contracts) -> Result<Checked, Vec<String>> {
    let mut faults = Vec::new();
    let mut lines = BTreeMap::new();
    for (at, text) in written(table) {
        match line(text, contracts) {
            Err(fault) => faults.push(format!("line {at}: {fault}")),
            Ok((rpc, _)) if lines.contains_key(&rpc) => {
                faults.push(format!("line {at}: {rpc} has a row already"));
            }
            Ok((rpc, line)) => {
                lines.insert(rpc, line);
            }
        }
    }
    for rpc in contracts
        .rpcs
        .keys()
        .filter(|rpc| !lines.contains_key(*rpc))
    {
        faults.push(format!("{rpc} has no row in access.txt: who may call it?"));
    }
    for rpc in lines.keys() {
        if !rpc.starts_with(FOREIGN) && !contracts.rpcs.contains_key(rpc) {
            faults.push(format!("{rpc} has a row in access.txt and is no RPC"));
        }
    }
    let mut known = BTreeMap::new();
    for (at, text) in written(words) {
        let parts = text.split_once(": ").and_then(|(key, said)| {
            let (zh, en) = said.split_once(" | ")?;
            Some((key.trim(), zh.trim(), en.trim()))
        });
        match parts {
            Some((key, zh, en)) if !zh.is_empty() && !en.is_empty() => {
                if known
                    .insert(key.to_owned(), (zh.to_owned(), en.to_owned()))
                    .is_some()
                {
                    faults.push(format!("access_words.txt, line {at}: {key} is said twice"));
                }
            }
            _ => faults.push(format!(
                "access_words.txt, line {at}: {text:?} is not \"WHAT: Chinese | English\""
            )),
        }
    }
    let wanted: BTreeSet<String> = lines
        .keys()
        .cloned()
        .chain(contracts.roles.keys().map(|role| format!("role {role}")))
        .chain(["role public", "role signed-in"].map(str::to_owned))
        .chain(RELATIONS.map(|(word, _)| format!("relation {word}")))
        .collect();
    for missing in wanted.iter().filter(|key| !known.contains_key(*key)) {
        faults.push(format!("{missing} has no words in access_words.txt"));
    }
    for idle in known.keys().filter(|key| !wanted.contains(*key)) {
        faults.push(format!(
            "access_words.txt says {idle}, which the table does not"
        ));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Checked {
        lines,
        words: known,
        names: contracts.rpcs.clone(),
        roles: contracts.roles.clone(),
    })
}

/// Lines that say something, with their numbers.
fn written(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn line(text: &str, contracts: &Contracts) -> Result<(String, Line), String> {
    let form = || format!("{text:?} is not \"service/method: who; relation\"");
    let (rpc, rest) = text.split_once(':').ok_or_else(form)?;
    let (rpc, rest) = (rpc.trim(), rest.trim());
    let mut parts = rest.split(';').map(str::trim);
    let who = parts.next().ok_or_else(form)?;
    let relation = match parts.next() {
        Some(word) => RELATIONS
            .iter()
            .find(|(known, _)| *known == word)
            .map(|(known, _)| *known)
            .ok_or_else(|| format!("{word:?} is no relation to a record"))?,
        // What is public is so whoever asks; every other row must say.
        None if who == "public" => "any",
        None => return Err(format!("{rpc} does not say in what relation to its record")),
    };
    let recorded = match parts.next() {
        None => Vec::new(),
        Some(part) => roles(part.strip_prefix("record ").ok_or_else(form)?, contracts)?,
    };
    if parts.next().is_some() {
        return Err(form());
    }
    let who = match who {
        "public" => Who::Public,
        "signed-in" => Who::SignedIn,
        words => Who::Roles(roles(words, contracts)?),
    };
    if let Who::Roles(may) = &who
        && let Some(stranger) = recorded.iter().find(|role| !may.contains(role))
    {
        return Err(format!("{rpc} records {stranger}, who may not call it"));
    }
    let line = Line {
        who,
        relation,
        recorded,
        text: rest.to_owned(),
    };
    Ok((rpc.to_owned(), line))
}

fn roles(words: &str, contracts: &Contracts) -> Result<Vec<String>, String> {
    words
        .split(',')
        .map(|word| {
            let word = word.trim();
            match contracts.roles.contains_key(word) {
                true => Ok(word.to_owned()),
                false => Err(format!("{word:?} is no role")),
            }
        })
        .collect()
}

impl Checked {
    /// The table as source text: rows by path, and what roles and relations are called.
    pub fn code(&self) -> String {
        let said = |key: &str| self.words.get(key).cloned().unwrap_or_default();
        let list = |roles: &[String]| {
            let called = roles.iter().map(|role| &self.roles[role]);
            let listed: Vec<_> = called.map(|role| format!("Role::{role}")).collect();
            format!("&[{}]", listed.join(", "))
        };
        let mut code = "pub static ROWS: &[Row] = &[\n".to_owned();
        for (rpc, line) in &self.lines {
            let access = match &line.who {
                Who::Public => "Access::Public".to_owned(),
                Who::SignedIn => "Access::SignedIn".to_owned(),
                Who::Roles(roles) => format!("Access::Roles({})", list(roles)),
            };
            let relation = RELATIONS.iter().find(|(word, _)| *word == line.relation);
            let relation = relation.map_or("Any", |(_, called)| *called);
            let names: Vec<_> = self.names.get(rpc).into_iter().flatten().collect();
            let names: Vec<_> = names.iter().map(|path| format!("&{path:?}")).collect();
            let (zh, en) = said(rpc);
            code.push_str(&format!(
                "Row {{ path: {:?}, access: {access}, relation: Relation::{relation}, \
                 recorded: {}, names: &[{}], text: {:?}, zh: {zh:?}, en: {en:?} }},\n",
                format!("/{rpc}"),
                list(&line.recorded),
                names.join(", "),
                line.text,
            ));
        }
        code.push_str("];\n");
        code.push_str("pub static ROLES: &[(Role, &str, &str, &str)] = &[\n");
        for (word, called) in &self.roles {
            let (zh, en) = said(&format!("role {word}"));
            code.push_str(&format!("(Role::{called}, {word:?}, {zh:?}, {en:?}),\n"));
        }
        code.push_str("];\n");
        for (name, word) in [("PUBLIC", "public"), ("SIGNED_IN", "signed-in")] {
            let (zh, en) = said(&format!("role {word}"));
            code.push_str(&format!(
                "pub static {name}: (&str, &str, &str) = ({word:?}, {zh:?}, {en:?});\n"
            ));
        }
        code.push_str("pub static RELATIONS: &[(Relation, &str, &str, &str)] = &[\n");
        for (word, called) in RELATIONS {
            let (zh, en) = said(&format!("relation {word}"));
            code.push_str(&format!(
                "(Relation::{called}, {word:?}, {zh:?}, {en:?}),\n"
            ));
        }
        code.push_str("];\n");
        code
    }
}
