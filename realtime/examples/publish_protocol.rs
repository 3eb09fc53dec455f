//! Writes the generated documents and client types. Run by `cargo xtask schemas`.

fn main() -> std::io::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (name, text) in ledgerline_realtime::publish::documents() {
        std::fs::write(root.join(name), text)?;
    }
    Ok(())
}
