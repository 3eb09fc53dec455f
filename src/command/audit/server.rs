//! `ledgerline audit … --server`: custody of a running server.

use std::path::Path;

use reqwest::Method;

use super::{interaction, read};
use crate::cli::{AuditCheckpoint, AuditExport, AuditProve};
use crate::command::client::Server;
use crate::failure::Failure;
use crate::output::{print, say};

const TEXT: &str = "text/plain";

async fn text(server: &Server, method: Method, path: &str) -> Result<String, Failure> {
    let response = server.ask(method, path, TEXT, None).await?;
    response.text().await.map_err(Failure::unavailable)
}

pub(super) async fn key(server: &Server) -> Result<(), Failure> {
    print(&text(server, Method::GET, "/v1/custody/key").await?);
    Ok(())
}

pub(super) async fn checkpoint(
    server: &Server,
    arguments: &AuditCheckpoint,
) -> Result<(), Failure> {
    let signed = text(server, Method::POST, "/v1/custody/checkpoint").await?;
    let printed = match &arguments.since {
        None => signed,
        Some(path) => continues(server, path).await?.1,
    };
    print(&printed);
    Ok(())
}

/// The older checkpoint, and the proof that the server's newest one continues it.
async fn continues(server: &Server, path: &Path) -> Result<(String, String), Failure> {
    let older = read(path)?;
    let response = server.send_text("/v1/custody/consistency", older.clone()).await?;
    Ok((older, response.text().await.map_err(Failure::unavailable)?))
}

pub(super) async fn prove(server: &Server, arguments: &AuditProve) -> Result<(), Failure> {
    let interaction = interaction(&arguments.interaction)?;
    let path = format!("/v1/custody/interactions/{interaction}/proofs");
    let proofs = text(server, Method::GET, &path).await?;
    let Some(out) = &arguments.out else {
        print(&proofs);
        return Ok(());
    };
    let failed =
        |path: &Path, error: std::io::Error| Failure::file(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(out).map_err(|error| failed(out, error))?;
    let mut count = 0;
    for proof in split(&proofs) {
        let index = proof.lines().find_map(|line| line.strip_prefix("index "));
        let index: u64 = index
            .and_then(|index| index.parse().ok())
            .ok_or_else(|| Failure::software("the server's answer is no tlog-proof"))?;
        let file = out.join(format!("{}.tlog-proof", index + 1));
        std::fs::write(&file, proof).map_err(|error| failed(&file, error))?;
        count += 1;
    }
    say(&format!("{count} proofs in {}", out.display()));
    Ok(())
}

/// The proofs of an answer: each begins with the line that names its format.
fn split(proofs: &str) -> Vec<&str> {
    const FIRST: &str = "c2sp.org/tlog-proof@v1\n";
    let starts: Vec<usize> = proofs.match_indices(FIRST).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).map(|at| at - 1).chain([proofs.len()]);
    starts.iter().zip(ends).filter_map(|(from, to)| proofs.get(*from..to)).collect()
}

pub(super) async fn export(server: &Server, arguments: &AuditExport) -> Result<(), Failure> {
    let interaction = interaction(&arguments.interaction)?;
    let out = &arguments.out;
    let failed = |error: std::io::Error| Failure::file(format!("{}: {error}", out.display()));
    std::fs::create_dir_all(out).map_err(failed)?;
    if std::fs::read_dir(out).map_err(failed)?.next().is_some() {
        return Err(Failure::file(format!("--out {}: the folder is not empty", out.display())));
    }
    let path = format!("/v1/custody/interactions/{interaction}/evidence");
    let response = server.ask(Method::GET, &path, "application/x-tar", None).await?;
    let archive = response.bytes().await.map_err(Failure::unavailable)?;
    tar::Archive::new(&*archive).unpack(out).map_err(failed)?;
    if let Some(since) = &arguments.since {
        let (older, proof) = continues(server, since).await?;
        for (name, text) in [("older-checkpoint", older), ("consistency-proof", proof)] {
            std::fs::write(out.join(name), text).map_err(failed)?;
        }
    }
    say(&format!("the evidence of interaction {interaction} is in {}", out.display()));
    say("README.md there says how to verify it; in short: python3 verify.py, in that folder");
    Ok(())
}
