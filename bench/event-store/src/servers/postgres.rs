//! A PostgreSQL cluster of its own, as the user `postgres` where this process is root.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use tokio::process::Command;

use crate::outcome::Outcome;

/// Durable as it comes (`fsync`, `synchronous_commit`, `full_page_writes` stay on); memory and log space
/// so that no checkpoint falls into a measurement.
const SETTINGS: [&str; 7] = [
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "max_connections=120",
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "autovacuum=off",
];

/// User and group that PostgreSQL runs as: it refuses root.
fn identity() -> Outcome<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")?;
    let fields: Option<Vec<&str>> = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&"postgres"));
    match fields.as_deref() {
        Some([_, _, user, group, ..]) => Ok(Some((user.parse()?, group.parse()?))),
        _ => Err("there is no user postgres, and PostgreSQL does not run as root".into()),
    }
}

fn program(folder: &Path, name: &str, identity: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(folder.join(name));
    if let Some((user, group)) = identity {
        command.uid(user).gid(group);
    }
    // Its own directory may be closed to that user.
    command.current_dir("/");
    command
}

/// The server's command; makes the cluster when there is none.
pub(super) async fn command(folder: &Path, directory: &Path, port: u16) -> Outcome<Command> {
    let identity = identity()?;
    let data = directory.join("cluster");
    if !data.exists() {
        std::fs::create_dir(&data)?;
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o700))?;
        if let Some((user, group)) = identity {
            chown(&data, Some(user), Some(group))?;
        }
        let made = program(folder, "initdb", identity)
            .args(["--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data)
            .output()
            .await?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(format!("initdb: {said}").into());
        }
    }
    let mut server = program(folder, "postgres", identity);
    server.arg("-D").arg(&data).arg("-p").arg(port.to_string());
    for setting in SETTINGS {
        server.args(["-c", setting]);
    }
    Ok(server)
}
