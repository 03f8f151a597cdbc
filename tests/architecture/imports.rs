//! Which file of a crate imports from which, read from its parsed sources. A name that a module passes on (`pub use`) is imported from the
//! file that has it; what stands under `#[cfg(test)]` is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::{self, Visit};

/// The arrows between files: from, to, and a path that is written in the one and leads to the other.
pub type Arrows = BTreeMap<(String, String), String>;

/// The arrows of a crate, its files named as from `root`'s folder.
pub fn of_crate(root: &Path) -> Arrows {
    let folder = root.parent().unwrap();
    arrows(&|file: &str| std::fs::read_to_string(folder.join(file)).ok())
}

/// The arrows between sources; the crate's root is `lib.rs`.
pub fn arrows(read: &dyn Fn(&str) -> Option<String>) -> Arrows {
    let mut tree = Tree::default();
    tree.add("lib.rs", "", None, read);
    for module in 0..tree.modules.len() {
        let mut names = Names::default();
        let file = &tree.modules[module].syntax;
        names.visit_file(file);
        let Names {
            items,
            aliases,
            globs,
            ..
        } = names;
        let found = &mut tree.modules[module];
        (found.items, found.aliases, found.globs) = (items, aliases, globs);
    }
    let mut arrows = Arrows::new();
    for module in 0..tree.modules.len() {
        let mut user = User {
            tree: &tree,
            module,
            depth: 0,
            arrows: &mut arrows,
        };
        user.visit_file(&tree.modules[module].syntax);
    }
    arrows
}

/// A file as a module.
struct Module {
    file: String,
    syntax: syn::File,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    aliases: BTreeMap<String, Alias>,
    globs: Vec<Alias>,
}

/// A name that `use` gives to a path, in a module within so many others of the file.
#[derive(Clone)]
struct Alias {
    path: Vec<String>,
    depth: usize,
    /// It is only passed on.
    passes_on: bool,
}

#[derive(Default)]
struct Tree {
    modules: Vec<Module>,
}

impl Tree {
    /// Adds a file, and those of the modules that it declares, which lie in `folder`.
    fn add(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        read: &dyn Fn(&str) -> Option<String>,
    ) -> usize {
        let source = read(file).unwrap_or_else(|| panic!("{file} is declared and is not there"));
        let syntax = syn::parse_file(&source).unwrap();
        let declared = syntax.items.iter().filter_map(|item| match item {
            syn::Item::Mod(item) if item.content.is_none() && !is_test(&item.attrs) => {
                Some(item.ident.to_string())
            }
            _ => None,
        });
        let declared: Vec<String> = declared.collect();
        let number = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            syntax,
            parent,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            aliases: BTreeMap::new(),
            globs: Vec::new(),
        });
        for name in declared {
            let (beside, inside) = (
                format!("{folder}{name}.rs"),
                format!("{folder}{name}/mod.rs"),
            );
            let file = if read(&beside).is_some() {
                beside
            } else {
                inside
            };
            let child = self.add(&file, &format!("{folder}{name}/"), Some(number), read);
            self.modules[number].children.insert(name, child);
        }
        number
    }

    /// The module that a path leads to, and the item in it where it names one. `depth`: in so many modules within the file.
    fn resolve(
        &self,
        module: usize,
        depth: usize,
        path: &[String],
        tries: usize,
    ) -> Option<(usize, bool)> {
        let (mut at, mut depth, mut path, mut rooted) = (module, depth, path, false);
        while let [first, rest @ ..] = path {
            match first.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" if depth > 0 => depth -= 1,
                "super" => at = self.modules[at].parent?,
                _ => break,
            }
            (path, rooted) = (rest, true);
        }
        // Of a name alone only what the file itself passes on is sure to be meant.
        self.walk(at, path, rooted, tries)
    }

    fn walk(
        &self,
        module: usize,
        path: &[String],
        rooted: bool,
        tries: usize,
    ) -> Option<(usize, bool)> {
        let [first, rest @ ..] = path else {
            return Some((module, false));
        };
        if tries == 0 {
            return None;
        }
        let found = &self.modules[module];
        if let Some(child) = found.children.get(first)
            && (!rest.is_empty() || !found.aliases.contains_key(first))
        {
            return self.walk(*child, rest, true, tries - 1);
        }
        if found.items.contains(first) {
            return Some((module, true));
        }
        if let Some(alias) = found.aliases.get(first) {
            let (at, is_item) = self.resolve(module, alias.depth, &alias.path, tries - 1)?;
            return if is_item {
                Some((at, true))
            } else {
                self.walk(at, rest, true, tries - 1)
            };
        }
        let mut globs = found.globs.iter();
        let by_glob = globs.find_map(|glob| {
            let (at, is_item) = self.resolve(module, glob.depth, &glob.path, tries - 1)?;
            if is_item {
                Some((at, true))
            } else {
                self.walk(at, path, false, tries - 1)
            }
        });
        by_glob.or_else(|| rooted.then_some((module, true)))
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let list = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && list.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// The single names of a `use`, each with its path; a glob has none.
fn leaves(before: &[String], tree: &syn::UseTree, found: &mut Vec<(Option<String>, Vec<String>)>) {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        syn::UseTree::Path(path) => leaves(&with(&path.ident), &path.tree, found),
        // `use super::run::{self}` is `use super::run`.
        syn::UseTree::Name(name) if name.ident == "self" => {
            found.push((before.last().cloned(), before.to_vec()))
        }
        syn::UseTree::Name(name) => found.push((Some(name.ident.to_string()), with(&name.ident))),
        syn::UseTree::Rename(rename) if rename.ident == "self" => {
            found.push((Some(rename.rename.to_string()), before.to_vec()));
        }
        syn::UseTree::Rename(rename) => {
            found.push((Some(rename.rename.to_string()), with(&rename.ident)))
        }
        syn::UseTree::Glob(_) => found.push((None, before.to_vec())),
        syn::UseTree::Group(group) => group
            .items
            .iter()
            .for_each(|tree| leaves(before, tree, found)),
    }
}

/// What a file defines, and what it gives names to.
#[derive(Default)]
struct Names {
    depth: usize,
    items: BTreeSet<String>,
    aliases: BTreeMap<String, Alias>,
    globs: Vec<Alias>,
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (name, attributes) = match item {
            syn::Item::Const(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Enum(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
            syn::Item::Mod(item) => (item.content.is_some().then_some(&item.ident), &item.attrs),
            syn::Item::Static(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Struct(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Trait(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Type(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Use(item) => (None, &item.attrs),
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        self.items.extend(name.map(ToString::to_string));
        let inner = usize::from(matches!(item, syn::Item::Mod(_)));
        self.depth += inner;
        visit::visit_item(self, item);
        self.depth -= inner;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let passes_on = !matches!(item.vis, syn::Visibility::Inherited);
        let mut found = Vec::new();
        leaves(&[], &item.tree, &mut found);
        for (name, path) in found {
            let alias = Alias {
                path,
                depth: self.depth,
                passes_on,
            };
            match name {
                Some(name) => drop(self.aliases.insert(name, alias)),
                None => self.globs.push(alias),
            }
        }
    }
}

/// What a file uses.
struct User<'a> {
    tree: &'a Tree,
    module: usize,
    depth: usize,
    arrows: &'a mut Arrows,
}

impl User<'_> {
    fn uses(&mut self, path: &[String]) {
        if let Some((to, true)) = self.tree.resolve(self.module, self.depth, path, 20) {
            self.arrow(to, path);
        }
    }

    fn arrow(&mut self, to: usize, path: &[String]) {
        let (from, to) = (
            &self.tree.modules[self.module].file,
            &self.tree.modules[to].file,
        );
        if from != to {
            let arrow = (from.clone(), to.clone());
            self.arrows.entry(arrow).or_insert_with(|| path.join("::"));
        }
    }

    /// A path that is written in code. A small name alone may as well be a variable's; it is meant where it is called. What its first name is imported as has its arrow already, unless that is a module, or passed on.
    fn written(&mut self, path: &[String]) {
        let module = &self.tree.modules[self.module];
        let first = path.first().map_or("", String::as_str);
        let alias = module.aliases.get(first);
        let rooted = ["crate", "super", "self"].contains(&first);
        let is_variable = path.len() == 1 && first.starts_with(char::is_lowercase);
        let passed_on = !is_variable && alias.is_some_and(|alias| alias.passes_on);
        let by_module = path.len() > 1 && (alias.is_some() || module.children.contains_key(first));
        if rooted || passed_on || by_module {
            self.uses(path);
        }
    }
}

impl<'ast> Visit<'ast> for User<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if is_test(attributes) {
            return;
        }
        let inner = usize::from(matches!(item, syn::Item::Mod(_)));
        self.depth += inner;
        visit::visit_item(self, item);
        self.depth -= inner;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !matches!(item.vis, syn::Visibility::Inherited) {
            return;
        }
        let mut found = Vec::new();
        leaves(&[], &item.tree, &mut found);
        for (name, path) in found {
            match (name, self.tree.resolve(self.module, self.depth, &path, 20)) {
                (None, Some((to, _))) => self.arrow(to, &path),
                _ => self.uses(&path),
            }
        }
    }

    /// `pub(super)` reaches nowhere.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        self.written(&segments);
        visit::visit_path(self, path);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let syn::Expr::Path(function) = call.func.as_ref()
            && let Some(name) = function.path.get_ident()
            && let name = name.to_string()
            && let aliases = &self.tree.modules[self.module].aliases
            && aliases.get(&name).is_some_and(|alias| alias.passes_on)
        {
            self.uses(&[name]);
        }
        visit::visit_expr_call(self, call);
    }

    /// What is handed to a macro: as expressions where it is that (`format!`), else word by word.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        for path in super::words_of(call) {
            match path {
                super::Handed::Expression(expression) => {
                    // An expression of its own lives no longer than this.
                    let mut inner = User {
                        tree: self.tree,
                        module: self.module,
                        depth: self.depth,
                        arrows: &mut *self.arrows,
                    };
                    inner.visit_expr(&expression);
                }
                super::Handed::Path(segments) => self.written(&segments),
            }
        }
    }
}
