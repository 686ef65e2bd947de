//! The build script, and no part of the server: packs the page of `static/` for `assets.rs`, which embeds what it makes.
//!
//! Into `$OUT_DIR/page` go, named by the first 64 bits of the content's SHA-256 (the hash that `assets.rs` finds in
//! what it embeds): `HASH.br` and `HASH.gz` for each file, and for `index.html` also `HASH.html`, in which its files are
//! asked for below `v/VERSION/`. The version follows from all files, so whoever has a file under such an address has
//! it for good. Packed here and not by the server, since the best packing takes seconds; and by content, so that a
//! debug build, which reads `static/` as it stands, never answers with what a file held before.

#![expect(
    clippy::print_stdout,
    reason = "what a build script prints is for cargo"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use sha2::{Digest, Sha256};

/// Brotli's best quality, and its usual window.
const BROTLI: (u32, u32) = (11, 22);
/// What the page's own addresses begin with, as `index.html` writes them.
const ADDRESSES: [&str; 3] = ["href=\"css/", "href=\"js/", "src=\"js/"];

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=static");
    println!("cargo:rerun-if-changed=src/http/pack.rs");
    let mut files = Vec::new();
    collect(Path::new("static"), &mut files)?;
    files.sort();
    let mut all = Sha256::new();
    for path in &files {
        let content = fs::read(path)?;
        all.update(path.to_string_lossy().as_bytes());
        all.update(content.len().to_le_bytes());
        all.update(&content);
    }
    let version = short(&all.finalize());
    // Not by a name that begins as the server's own variables do: tests are run with it.
    println!("cargo:rustc-env=PAGE_VERSION={version}");

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?).join("page");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::create_dir_all(&out)?;
    for path in &files {
        let mut content = fs::read(path)?;
        if path.ends_with("index.html") {
            let hash = short(&Sha256::digest(&content));
            content = addressed(&content, &version)?;
            fs::write(out.join(format!("{hash}.html")), &content)?;
        }
        let hash = short(&Sha256::digest(&content));
        fs::write(out.join(format!("{hash}.br")), brotli(&content)?)?;
        fs::write(out.join(format!("{hash}.gz")), gzip(&content)?)?;
    }
    Ok(())
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The page, asking for its files by their version.
fn addressed(html: &[u8], version: &str) -> io::Result<Vec<u8>> {
    let mut html = String::from_utf8(html.to_vec()).map_err(io::Error::other)?;
    for address in ADDRESSES {
        let (attribute, folder) = address.split_at(address.find('"').map_or(0, |at| at + 1));
        html = html.replace(address, &format!("{attribute}v/{version}/{folder}"));
    }
    Ok(html.into_bytes())
}

fn short(hash: &[u8]) -> String {
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn brotli(content: &[u8]) -> io::Result<Vec<u8>> {
    let (quality, window) = BROTLI;
    let mut packed = Vec::new();
    let mut writer = brotli::CompressorWriter::new(&mut packed, 4096, quality, window);
    writer.write_all(content)?;
    drop(writer);
    Ok(packed)
}

fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(content)?;
    writer.finish()
}
