//! Writes the published schema documents to `schemas/json/`. Run by `cargo xtask schemas`.

fn main() -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("json");
    std::fs::create_dir_all(&folder)?;
    for (name, text) in ledgerline_schemas::publish::documents() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
