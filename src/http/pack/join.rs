//! The modules of the page, joined into the files that a browser requests.
//!
//! What `main.js` imports statically, directly or not, is the first load and becomes one file. What
//! is imported by `import()` stays a file that is loaded when it is wanted; a module that only it
//! needs is joined to it, and one that several such files need to the first load, so that no file
//! has to wait for another small one. Each module is in exactly one file, so there is one instance
//! of it, however many files share it.
//!
//! A joined module is a function that runs once, in the order in which the browser would run the
//! modules, and returns what it exports:
//!
//! ```js
//! const $lib$template=(()=>{ … return{clone,part}})();
//! const $elements$chat_list=(()=>{const{clone}=$lib$template; … return{ChatList}})();
//! ```
//!
//! So no name has to be changed, and none can collide. It is the same program as long as modules
//! import in no circle and no export is assigned anew; either is an error here. The module that a
//! file begins with stands in it as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::module::Module;
use super::strip::stripped;

/// Joins the modules that are reached from `start`. Both sides of the maps are a path, such as
/// `js/main.js`, and a text. An error names the module and its line.
pub(super) fn joined(
    sources: &BTreeMap<String, String>,
    start: &str,
) -> Result<BTreeMap<String, String>, String> {
    let mut modules = BTreeMap::new();
    for (path, source) in sources {
        let module = Module::read(path, source).map_err(|what| format!("{path}: {what}"))?;
        modules.insert(path.clone(), module);
    }
    let page = Page { modules };
    page.check()?;
    let plan = page.plan(start)?;
    let files: BTreeSet<&String> = plan.homes.values().collect();
    let mut texts = BTreeMap::new();
    for file in files {
        let text = page.file(file, &plan)?;
        let text = stripped(&text).map_err(|what| format!("{file}, joined: {what}"))?;
        texts.insert(file.clone(), text);
    }
    Ok(texts)
}

/// All modules by path.
struct Page {
    modules: BTreeMap<String, Module>,
}

/// Which module goes into which file.
struct Plan {
    /// The file of each module, named by the module with which it begins.
    homes: BTreeMap<String, String>,
    /// The modules of the first load in the order in which they run, and so the one that begins it
    /// last.
    first: Vec<String>,
}

impl Page {
    /// Finds imports of what there is not.
    fn check(&self) -> Result<(), String> {
        for (path, module) in &self.modules {
            for import in &module.imports {
                let Some(target) = self.modules.get(&import.module) else {
                    return Err(format!(
                        "{path} imports {}, which is not there",
                        import.module
                    ));
                };
                let missing = import
                    .names
                    .iter()
                    .find(|name| !target.exports.contains(name));
                if let Some(name) = missing {
                    return Err(format!(
                        "{path} imports {name}, which {} does not export",
                        import.module
                    ));
                }
            }
            if let Some((_, lazy)) = module
                .lazy
                .iter()
                .find(|(_, lazy)| !self.modules.contains_key(lazy))
            {
                return Err(format!("{path} imports {lazy}, which is not there"));
            }
        }
        Ok(())
    }

    /// The modules that one brings with it, itself last: in the order in which a browser runs them.
    fn order(&self, path: &str) -> Result<Vec<String>, String> {
        let mut order = Vec::new();
        self.visit(path, &mut Vec::new(), &mut order)?;
        Ok(order)
    }

    fn visit(
        &self,
        path: &str,
        under: &mut Vec<String>,
        order: &mut Vec<String>,
    ) -> Result<(), String> {
        if order.iter().any(|known| known == path) {
            return Ok(());
        }
        if under.iter().any(|known| known == path) {
            return Err(format!(
                "{} and {path} import each other in a circle",
                under.join(", ")
            ));
        }
        under.push(path.to_owned());
        for import in &self.modules[path].imports {
            self.visit(&import.module, under, order)?;
        }
        under.pop();
        order.push(path.to_owned());
        Ok(())
    }

    fn plan(&self, start: &str) -> Result<Plan, String> {
        let lazy = self.modules.values().flat_map(|module| &module.lazy);
        let lazy: BTreeSet<&String> = lazy.map(|(_, path)| path).collect();
        let mut wanted_by: BTreeMap<String, Vec<&String>> = BTreeMap::new();
        for &entry in &lazy {
            for path in self.order(entry)? {
                wanted_by.entry(path).or_default().push(entry);
            }
        }
        let mut first = self.order(start)?;
        let last = first.pop();
        for (path, entries) in &wanted_by {
            if entries.len() > 1 && !lazy.contains(path) {
                self.visit(path, &mut Vec::new(), &mut first)?;
            }
        }
        first.extend(last);
        let mut homes = BTreeMap::new();
        for path in self.modules.keys() {
            let home = match (
                first.contains(path),
                lazy.contains(path),
                wanted_by.get(path),
            ) {
                (true, true, _) => {
                    return Err(format!(
                        "{path} is in the first load and imported when it is wanted"
                    ));
                }
                (true, false, _) => start,
                (false, true, _) => path,
                (false, false, Some(entries)) => entries[0],
                (false, false, None) => {
                    return Err(format!("{path} is imported by no module of the page"));
                }
            };
            homes.insert(path.clone(), home.to_owned());
        }
        Ok(Plan { homes, first })
    }

    /// One file, not yet stripped.
    fn file(&self, file: &str, plan: &Plan) -> Result<String, String> {
        let homes = &plan.homes;
        let order = match plan.first.last() {
            Some(last) if last == file => plan.first.clone(),
            _ => self.order(file)?,
        };
        let (inside, outside): (Vec<_>, Vec<_>) =
            order.into_iter().partition(|path| homes[path] == file);
        let mut text = String::new();
        for path in outside
            .iter()
            .filter(|path| self.is_named(path, file, homes))
        {
            let (home, name) = (&homes[path], name_of(path));
            let address = relative(file, home);
            let _ = match home == path {
                true => writeln!(text, "import*as {name} from\"{address}\";"),
                false => writeln!(text, "import{{{name}}}from\"{address}\";"),
            };
        }
        for path in &inside {
            let body = self.body(path, file);
            let exports = self.modules[path].exports.join(",");
            let _ = match path == file {
                true => writeln!(text, "{body}"),
                false => writeln!(
                    text,
                    "const {}=(()=>{{\n{body}\nreturn{{{exports}}};\n}})();",
                    name_of(path)
                ),
            };
        }
        let shared = inside
            .iter()
            .filter(|path| *path != file && self.is_shared(path, homes));
        let shared: Vec<String> = shared.map(|path| name_of(path)).collect();
        if !shared.is_empty() {
            let _ = writeln!(text, "export{{{}}};", shared.join(","));
        }
        Ok(text)
    }

    /// Returns whether a module of the file imports that one.
    fn is_named(&self, path: &str, file: &str, homes: &BTreeMap<String, String>) -> bool {
        self.modules.iter().any(|(other, module)| {
            homes[other] == file && module.imports.iter().any(|import| import.module == path)
        })
    }

    /// Returns whether a module of another file imports it.
    fn is_shared(&self, path: &str, homes: &BTreeMap<String, String>) -> bool {
        homes
            .values()
            .any(|file| *file != homes[path] && self.is_named(path, file, homes))
    }

    /// A module's text as it stands in a file.
    fn body(&self, path: &str, file: &str) -> String {
        let module = &self.modules[path];
        let mut edits = Vec::new();
        for import in &module.imports {
            let pattern = import.pattern.as_ref();
            let text =
                pattern.map(|pattern| format!("const {pattern}={};", name_of(&import.module)));
            edits.push((import.range.clone(), text.unwrap_or_default()));
        }
        for (range, lazy) in &module.lazy {
            edits.push((range.clone(), format!("\"{}\"", relative(file, lazy))));
        }
        if path != file {
            for range in &module.own_addresses {
                let address = relative(file, path);
                edits.push((
                    range.clone(),
                    format!("new URL(\"{address}\",import.meta.url).href"),
                ));
            }
            for range in &module.export_marks {
                edits.push((range.clone(), String::new()));
            }
        }
        module.edited(edits)
    }
}

/// The name of a module within a file: `js/elements/chat-list.js` is `$elements$chat_list`.
fn name_of(path: &str) -> String {
    let path = path.trim_start_matches("js/").trim_end_matches(".js");
    let name = path
        .split('/')
        .map(|part| part.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
    name.fold(String::new(), |name, part| name + "$" + &part)
}

/// The address by which a file names another.
fn relative(from: &str, to: &str) -> String {
    let mut from: Vec<&str> = from.split('/').collect();
    from.pop();
    let to: Vec<&str> = to.split('/').collect();
    let common = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = match from.len() - common {
        0 => "./".to_owned(),
        levels => "../".repeat(levels),
    };
    up + &to[common..].join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(files: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        let files = files
            .iter()
            .map(|(path, text)| (format!("js/{path}"), (*text).to_owned()));
        joined(&files.collect(), "js/main.js")
    }

    #[test]
    fn one_module_imports_by_an_address_that_a_browser_told() {
        let files = join(&[
            (
                "main.js",
                "import { late } from './lib/late.js'\nlate(() => import('./one.js'))",
            ),
            (
                "lib/late.js",
                "export const late = load => load().catch(at => import(at))",
            ),
            ("one.js", "export const one = 1"),
        ])
        .unwrap();
        let main = &files["js/main.js"];
        assert!(
            main.contains("import(at)") && main.contains("import(\"./one.js\")"),
            "{main}"
        );
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn static_imports_are_one_file_whose_modules_run_in_order() {
        let files = join(&[
            (
                "main.js",
                "import { b as c } from './lib/b.js'\nimport './z.js'\nc()\n",
            ),
            (
                "lib/b.js",
                "import { a } from '../a.js'\nexport function b() { return a }\nexport class D {}",
            ),
            (
                "a.js",
                "// first\nexport const a = 1\nconst e = 2\nexport { e }",
            ),
            ("z.js", "console.log(0)"),
        ])
        .unwrap();
        assert_eq!(files.len(), 1);
        let lines = [
            "const $a=(()=>{const a=1\nconst e=2\nreturn{a,e};})();",
            "const $lib$b=(()=>{const{a}=$a;function b(){return a}\nclass D{}\nreturn{b,D};})();",
            "const $z=(()=>{console.log(0)\nreturn{};})();",
            "const{b:c}=$lib$b;c()",
        ];
        assert_eq!(files["js/main.js"], lines.concat());
    }

    #[test]
    fn what_is_loaded_when_it_is_wanted_shares_the_modules_of_the_first_load() {
        let files = join(&[
            ("main.js", "import { part } from './lib/part.js'\nimport('./late/one.js')\nimport('./late/two.js')"),
            ("lib/part.js", "export const part = 1, address = new URL('x', import.meta.url)"),
            ("late/one.js", "import { part } from '../lib/part.js'\nimport { own } from './own.js'\nimport { both } from './both.js'\nexport const one = part + own + both"),
            ("late/own.js", "import * as b from './both.js'\nexport const own = b.both"),
            ("late/both.js", "export const both = import('./two.js')"),
            ("late/two.js", "import { both } from './both.js'"),
        ])
        .unwrap();
        let paths: Vec<_> = files.keys().map(String::as_str).collect();
        assert_eq!(paths, ["js/late/one.js", "js/late/two.js", "js/main.js"]);
        assert_eq!(
            files["js/main.js"],
            "const $lib$part=(()=>{const part=1,address=new URL('x',new URL(\"./lib/part.js\",import.meta.url).href)\nreturn{part};})();\
             const $late$both=(()=>{const both=import(\"./late/two.js\")\nreturn{both};})();\
             const{part}=$lib$part;import(\"./late/one.js\")\nimport(\"./late/two.js\")\nexport{$lib$part,$late$both};"
        );
        assert_eq!(
            files["js/late/one.js"],
            "import{$lib$part}from\"../main.js\";import{$late$both}from\"../main.js\";\
             const $late$own=(()=>{const b=$late$both;const own=b.both\nreturn{own};})();\
             const{part}=$lib$part;const{own}=$late$own;const{both}=$late$both;export const one=part+own+both"
        );
    }

    #[test]
    fn a_file_that_others_import_as_well_stays_a_file() {
        let files = join(&[
            ("main.js", "import('./one.js')\nimport('./two.js')"),
            (
                "one.js",
                "import { two } from './two.js'\nexport const one = two",
            ),
            ("two.js", "export const two = 2"),
        ])
        .unwrap();
        assert_eq!(
            files["js/one.js"],
            "import*as $two from\"./two.js\";const{two}=$two;export const one=two"
        );
        assert_eq!(files["js/two.js"], "export const two=2");
    }

    #[test]
    fn what_would_not_be_the_same_program_is_refused() {
        let lib = ("lib.js", "export const a = 1");
        for (files, error) in [
            (
                &[("main.js", "import { b } from './lib.js'"), lib][..],
                "js/main.js imports b, which js/lib.js does not export",
            ),
            (
                &[("main.js", "import './none.js'")],
                "js/main.js imports js/none.js, which is not there",
            ),
            (
                &[("main.js", "import('./none.js')")],
                "js/main.js imports js/none.js, which is not there",
            ),
            (
                &[("main.js", ""), lib],
                "js/lib.js is imported by no module of the page",
            ),
            (
                &[("main.js", "import './lib.js'\nimport('./lib.js')"), lib],
                "js/lib.js is in the first load and imported when it is wanted",
            ),
            (
                &[
                    ("main.js", "import './x.js'"),
                    ("x.js", "import './y.js'"),
                    ("y.js", "import './x.js'"),
                ],
                "js/main.js, js/x.js, js/y.js and js/x.js import each other in a circle",
            ),
            (
                &[("main.js", "\nexport let a = 1")],
                "js/main.js: line 2: an export of a let may change, or has no name",
            ),
            (
                &[("main.js", "export default 1")],
                "js/main.js: line 1: an export of a default may change, or has no name",
            ),
            (
                &[("main.js", "export { a } from './lib.js'"), lib],
                "js/main.js: line 1: an export of what is not declared here",
            ),
            (
                &[("main.js", "import a from './lib.js'"), lib],
                "js/main.js: line 1: an import of what has no name",
            ),
            (
                &[("main.js", "import(a)")],
                "js/main.js: line 1: import() of what is no plain string",
            ),
            (
                &[("main.js", "import '../../x.js'")],
                "js/main.js: line 1: '../../x.js' is no path of a module of the page",
            ),
            (
                &[("main.js", "import 'npm'")],
                "js/main.js: line 1: 'npm' is no path of a module of the page",
            ),
        ] {
            assert_eq!(join(files).unwrap_err(), error);
        }
    }
}
