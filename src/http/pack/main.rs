//! The build script, and no part of the server: packs the page of `static/` for `assets.rs`, and
//! the documents of `contract/documents/made` for `api/documents.rs`, which embed what it makes.
//!
//! Into `$OUT_DIR/page` go
//!
//! - `br/page/PATH` and `gz/page/PATH`: the page as browsers load it, its modules and style sheets
//!   joined (`join.rs`, `texts.rs`), its comments taken out, and its files asked for below
//!   `v/VERSION/`;
//! - `gz/source/PATH`: each file of `static/` as it stands, for those who read a module or import
//!   it by itself.
//!
//! Nothing is held as it is: who unpacks nothing gets what the server unpacks. The version follows
//! from all that is in the page, so a browser that has a file under such an
//! address has it for good. Packed here and not by the server, since the best packing takes
//! seconds. `PAGE_SOURCES` follows from the files as they stand: by it a debug build, which reads
//! `static/` anew each time, knows whether they were changed since.

#![expect(
    clippy::print_stdout,
    reason = "what a build script prints is for cargo"
)]

mod join;
mod module;
mod strip;
mod texts;
mod tokens;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

/// What clients can rely on, as text to be read.
const DOCUMENTS: &str = "src/contract/documents/made";
/// Brotli's best quality, and its usual window.
const BROTLI: (u32, u32) = (11, 22);
/// What the page's own addresses begin with, as `index.html` writes them.
const ADDRESSES: [&str; 3] = ["href=\"css/", "href=\"js/", "src=\"js/"];
/// The module that `index.html` loads.
const START: &str = "js/main.js";
/// The service worker, which stands by itself, under its bare path.
const WORKER: &str = "sw.js";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-changed=src/http/pack");
    println!("cargo:rerun-if-changed={DOCUMENTS}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?);
    pack_documents(&out.join("documents"))?;
    let root = Path::new("static");
    let mut sources = BTreeMap::new();
    collect(root, root, &mut sources)?;
    // Not by a name that begins as the server's own variables do: tests are run with it.
    println!("cargo:rustc-env=PAGE_SOURCES={}", digest_of(&sources));

    let mut texts = BTreeMap::new();
    for (path, content) in sources.iter().filter(|(path, _)| is_text(path)) {
        let text = String::from_utf8(content.clone()).map_err(io::Error::other)?;
        texts.insert(path.clone(), text);
    }
    let worker = texts.remove(WORKER).ok_or(io::ErrorKind::NotFound)?;
    // It belongs to /docs, and not to the page: it is served as it stands.
    texts.remove("docs.js").ok_or(io::ErrorKind::NotFound)?;
    let mut page = packed(&texts).map_err(io::Error::other)?;
    let kept = kept(&page);
    page.insert(WORKER.to_owned(), worker);
    let version = digest_of(&page);
    println!("cargo:rustc-env=PAGE_VERSION={version}");
    if let Some(html) = page.get_mut("index.html") {
        *html = addressed(html, &version);
    }
    if let Some(worker) = page.get_mut(WORKER) {
        *worker = knowing(worker, &version, &kept).map_err(io::Error::other)?;
    }

    let out = out.join("page");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    for (path, text) in &page {
        write(&out.join("br/page").join(path), &brotli(text.as_bytes())?)?;
        write(&out.join("gz/page").join(path), &gzip(text.as_bytes())?)?;
    }
    for (path, text) in &sources {
        write(&out.join("gz/source").join(path), &gzip(text)?)?;
    }
    Ok(())
}

/// The files below a folder by their path from the root.
fn collect(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, found)?;
        } else {
            let name = path.strip_prefix(root).map_err(io::Error::other)?;
            let name = name.to_string_lossy().replace('\\', "/");
            found.insert(name, fs::read(&path)?);
        }
    }
    Ok(())
}

/// Returns whether a file is text; the others are pictures.
fn is_text(path: &str) -> bool {
    [".js", ".css", ".html"]
        .iter()
        .any(|ending| path.ends_with(ending))
}

/// The files that the service worker keeps: all of the page but what is no part of the app.
fn kept(page: &BTreeMap<String, String>) -> Vec<String> {
    let not_kept = [
        "index.html",
        "js/demo.js",
        "css/demo.css",
        "css/docs.css",
        "templates/demo.html",
    ];
    let paths = page
        .keys()
        .filter(|path| !not_kept.contains(&path.as_str()));
    paths.cloned().collect()
}

/// The service worker, knowing the version of the page and its files.
fn knowing(worker: &str, version: &str, files: &[String]) -> Result<String, String> {
    let mut worker = strip::stripped(worker)?;
    let files = serde_json::json!(files).to_string();
    for (one, other) in [
        ("VERSION=''", format!("VERSION='{version}'")),
        ("FILES=[]", format!("FILES={files}")),
    ] {
        if !worker.contains(one) {
            return Err(format!("{WORKER} has no {one}"));
        }
        worker = worker.replacen(one, &other, 1);
    }
    Ok(worker)
}

/// The page as browsers load it, by path.
fn packed(sources: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, String> {
    let of = |ending: &str| {
        let files = sources.iter().filter(|(path, _)| path.ends_with(ending));
        let files = files.map(|(path, text)| (path.clone(), text.clone()));
        files.collect::<BTreeMap<_, _>>()
    };
    let mut page = join::joined(&of(".js"), START)?;
    let mut css = of(".css");
    let start = sources.get("index.html").ok_or("there is no index.html")?;
    let (start, sheets) = texts::with_one_sheet(&texts::html(start));
    page.insert("index.html".to_owned(), start);
    let mut joined = String::new();
    for sheet in sheets {
        joined += &css
            .remove(&sheet)
            .ok_or_else(|| format!("there is no {sheet}"))?;
    }
    page.insert(texts::JOINED_SHEET.to_owned(), texts::css(&joined));
    page.extend(
        css.into_iter()
            .map(|(path, text)| (path, texts::css(&text))),
    );
    let others = of(".html").into_iter();
    let others = others.filter(|(path, _)| path != "index.html");
    page.extend(others.map(|(path, text)| (path, texts::html(&text))));
    Ok(page)
}

/// The page, asking for its files by their version.
fn addressed(html: &str, version: &str) -> String {
    let mut html = html.to_owned();
    for address in ADDRESSES {
        let (attribute, folder) = address.split_at(address.find('"').map_or(0, |at| at + 1));
        html = html.replace(address, &format!("{attribute}v/{version}/{folder}"));
    }
    html
}

/// 64 bits that follow from all files: from each its path, and the SHA-256 of its content.
fn digest_of<T: AsRef<[u8]>>(files: &BTreeMap<String, T>) -> String {
    let mut all = Sha256::new();
    for (path, text) in files {
        all.update(path.as_bytes());
        all.update(Sha256::digest(text.as_ref()));
    }
    short(&all.finalize())
}

fn short(hash: &[u8]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, content)
}

fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let (quality, window) = BROTLI;
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, quality, window);
    writer.write_all(content)?;
    drop(writer);
    Ok(packed)
}

/// Packs the documents; those in JSON without the space that people read it by.
fn pack_documents(out: &Path) -> io::Result<()> {
    for entry in fs::read_dir(DOCUMENTS)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut text = fs::read_to_string(&path)?;
        if name.ends_with(".json") {
            let value: serde_json::Value = serde_json::from_str(&text)?;
            text = value.to_string();
        }
        let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(text.as_bytes())?;
        write(&out.join(format!("{name}.zlib")), &writer.finish()?)?;
    }
    Ok(())
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(content)?;
    writer.finish()
}
