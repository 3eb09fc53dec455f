//! Makes Rust of `proto/`, without `protoc`: the parser is a library.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 4] =
    ["serverfeatures.proto", "gossip.proto", "streams.proto", "persistent.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let descriptors = protox::compile(FILES, ["proto"])?;
    // The server is part of the library; the client is compiled by the tests only.
    for (side, server) in [("server", true), ("client", false)] {
        let folder = out.join(side);
        std::fs::create_dir_all(&folder)?;
        tonic_prost_build::configure()
            .build_server(server)
            .build_client(!server)
            .build_transport(!server)
            .bytes(".event_store.client.streams")
            .bytes(".event_store.client.persistent_subscriptions.ReadResp")
            .btree_map(".")
            .out_dir(folder)
            .include_file("all.rs")
            .compile_fds(descriptors.clone())?;
    }
    Ok(())
}
