//! The command line.
//!
//! Longer than 500 lines: one list of all commands; those with commands of their own have files beside it.

mod audit;
mod report;
mod retention;
mod webhook;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use ledgerline_ingest::privacy::Person;
use ledgerline_schemas::Timestamp;
use ledgerline_schemas::id::SubjectId;

pub(crate) use audit::{
    Audit, AuditCheckpoint, AuditExport, AuditKey, AuditProve, AuditVerb, AuditVerify,
};
pub(crate) use report::{Report, ReportRun, ReportVerb};
pub(crate) use retention::{
    Retention, RetentionHold, RetentionRelease, RetentionRun, RetentionVerb,
};
pub(crate) use webhook::{Webhook, WebhookVerb};

/// Self-hosted, event-sourced contact center: one log, everything else is derived from it.
#[derive(Debug, Parser)]
#[command(name = "ledgerline", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run the system.
    Serve(Serve),
    /// Run the whole system with simulated customers and agents, and show what happened.
    Demo(Demo),
    /// Put configuration entities (sites, teams, queues, flows …).
    Config(Config),
    /// Ask a SQL question.
    Sql(Sql),
    /// Watch queues, agents and contacts of a running server in the terminal, live.
    Top(crate::command::top::Top),
    /// Run a report: a table, a spreadsheet, a drawing.
    Report(Report),
    /// Look after webhooks of a running server.
    Webhook(Webhook),
    /// Show the history of one interaction, step by step.
    Replay(Replay),
    /// Build the tables anew from the log and compare checksums.
    Rebuild(Rebuild),
    /// Look after the files of the tables of a stopped server.
    Tables(Tables),
    /// How long rows of the tables are kept, and legal holds.
    Retention(Retention),
    /// Import history from another system.
    Import(Import),
    /// Issue a signed token.
    Token(Token),
    /// Destroy the keys of everything that was sealed for a person.
    EraseSubject(EraseSubject),
    /// Show and rotate the keys of personal data.
    Keys(Keys),
    /// Check the log and that the routing state equals its full replay.
    Verify(Verify),
    /// Move the log between this machine and another engine.
    Engine(Engine),
    /// Prove that nobody has touched the log: signed checkpoints, proofs, evidence for third parties.
    Audit(Audit),
    /// Copy sealed segments of the log to object storage, and see what is there.
    Archive(Archive),
    /// Copy the logs of a data directory to a folder or to object storage; only what is new.
    Backup(Backup),
    /// Make a data directory from a backup, as it is or as it was at an earlier point.
    Restore(Restore),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PortChoice {
    /// The ports of the configuration.
    Configured,
    /// Free ports, printed at the start.
    Auto,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Configuration file (TOML); every key has a default.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Data directory; overrides the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Which ports to listen at.
    #[arg(long, value_enum, default_value = "configured")]
    pub(crate) ports: PortChoice,
    /// Write the addresses as JSON to this file once everything listens.
    #[arg(long, value_name = "FILE")]
    pub(crate) addresses: Option<PathBuf>,
    /// Follow the engine's log, and start when the process that writes it is gone. Needs an engine other
    /// than the embedded one.
    #[arg(long)]
    pub(crate) standby: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Engine {
    #[command(subcommand)]
    pub(crate) verb: EngineVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EngineVerb {
    /// Move the log of a stopped data directory to the configured engine or back, and compare every position.
    Move(EngineMove),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// From the data directory to the engine; the directory becomes its mirror.
    Engine,
    /// From the engine to the data directory, which becomes the log's only place.
    Embedded,
}

#[derive(Debug, Args)]
pub(crate) struct EngineMove {
    /// Where to.
    #[arg(long, value_enum)]
    pub(crate) to: Direction,
    /// Configuration file whose `[engine]` section names the engine.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Data directory; overrides the configuration.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The organization, by name or id; all when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Data directory to keep; a fresh temporary one otherwise. Must be empty or a demo's.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Stop after this many seconds; otherwise at Ctrl-C.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: Option<u64>,
    /// Calls a minute; chats come at a quarter of it.
    #[arg(long, value_name = "CALLS_PER_MINUTE", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(1..=6_000))]
    pub(crate) rate: u32,
    /// Drive this running server instead of starting one: `http://host:port`.
    #[arg(long, value_name = "URL", requires_all = ["token", "sip"], conflicts_with = "data")]
    pub(crate) against: Option<String>,
    /// With --against: SIP address of the server.
    #[arg(long, value_name = "HOST:PORT", requires = "against")]
    pub(crate) sip: Option<std::net::SocketAddr>,
    /// With --against: data directory whose issuer signs the agents' tokens.
    #[arg(long, value_name = "DIR", requires = "against")]
    pub(crate) token: Option<PathBuf>,
    /// With --against: write what the server acknowledged to this file (JSON) at the end.
    #[arg(long, value_name = "FILE", requires = "against")]
    pub(crate) ledger: Option<PathBuf>,
    /// Seed of everybody's behaviour.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Put every entity of a file (TOML or JSON), as events.
    Apply(ConfigApply),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigApply {
    /// The file.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Why, for the history.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Check and compare only.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// A running server or a data directory.
#[derive(Clone, Debug, Args)]
pub(crate) struct Target {
    /// A running server: `http://host:port`.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(crate) server: Option<String>,
    /// Token for the server; `ledgerline token` makes one.
    #[arg(long, value_name = "TOKEN", env = "LEDGERLINE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// A data directory without a running server.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The organization in the data directory, by name or id; may be left out when there is one.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Padded columns.
    Table,
    /// RFC 4180 with a header line.
    Csv,
    /// One JSON array of objects.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// The question; `-` reads it from the standard input.
    pub(crate) sql: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Form of the answer.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
    /// All tables as they were: a position of the log, or an instant such as 2026-11-29T10:00:00Z (then what was
    /// recorded by it).
    #[arg(long, value_name = "POSITION|INSTANT")]
    pub(crate) as_of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The interaction's id.
    pub(crate) interaction: String,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Steps as JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A data directory that no server uses now.
#[derive(Debug, Args)]
pub(crate) struct Local {
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = "./ledgerline-data")]
    pub(crate) data: PathBuf,
    /// The organization, by name or id; all when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Rebuild {
    /// Compare and show this table only; all are built.
    pub(crate) table: Option<String>,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Tables {
    #[command(subcommand)]
    pub(crate) verb: TablesVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TablesVerb {
    /// Merge small files into large ones, hold every file against its hash, and make damaged ones again from
    /// the log. A server does all of this by itself.
    Compact(Compact),
    /// Copy the tables to a folder or an S3-compatible store, where DuckDB, Ballista and others read them.
    Publish(crate::command::publish::Publish),
}

#[derive(Debug, Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) verb: ImportVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportVerb {
    /// Call records, one row a call.
    CallRecords(CallRecords),
    /// The queue log of Asterisk, with everything that is in it: calls, offers, log-ins, pauses.
    AsteriskQueueLog(AsteriskQueueLog),
}

#[derive(Debug, Args)]
pub(crate) struct CallRecords {
    /// The files.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// A built-in mapping (`anonymous-bank`) or a mapping file (TOML).
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) mapping: String,
    /// Data directory; made if absent.
    #[arg(long, value_name = "DIR", default_value = "./ledgerline-data")]
    pub(crate) data: PathBuf,
    /// Organization of its own for the history; the mapping's name when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AsteriskQueueLog {
    /// The files, in any order, packed with gzip or not. Give rotated ones together.
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// A mapping file (TOML): agents, pauses, queues, what becomes of callers' numbers.
    #[arg(long, value_name = "FILE")]
    pub(crate) mapping: Option<PathBuf>,
    /// End interactions that are open and had no line in this many hours before the last one; without it
    /// they stay open, to be continued by the next file.
    #[arg(long, value_name = "HOURS")]
    pub(crate) end_open: Option<u64>,
    /// Data directory; made if absent.
    #[arg(long, value_name = "DIR", default_value = "./ledgerline-data")]
    pub(crate) data: PathBuf,
    /// Organization of its own for the history; the mapping's name when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Data directory whose issuer signs.
    #[arg(long, value_name = "DIR", default_value = "./ledgerline-data")]
    pub(crate) data: PathBuf,
    /// The organization, by name or id; may be left out when there is one.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Roles: agent, supervisor, analyst, auditor, administrator, integrator.
    #[arg(long, value_name = "ROLE", required = true, value_delimiter = ',')]
    pub(crate) role: Vec<String>,
    /// Name of the user it stands for; needed for agents.
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// User profile, by name or id: the holder sees what it grants and no more, whatever the roles. The user's own
    /// profile holds besides.
    #[arg(long, value_name = "NAME|ID")]
    pub(crate) user_profile: Option<String>,
    /// Who holds it, for the access log; the user's or role's name when left out.
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
    /// Life, hours.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=8_784))]
    pub(crate) hours: u64,
    /// Create a database user of the subject's name instead and print its password once.
    #[arg(long)]
    pub(crate) sql_user: bool,
}

/// A person, named in one way.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("person").required(true).args(["phone", "email", "subject_id", "kind"]))]
pub(crate) struct NamedPerson {
    /// Telephone number; with and without +, 00 and separators it is the same person.
    #[arg(long, value_name = "NUMBER")]
    phone: Option<String>,
    /// E-mail address.
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// Id that events carry as data_subject_id.
    #[arg(long, value_name = "UUID", visible_alias = "subject")]
    subject_id: Option<SubjectId>,
    /// Kind of --value; `chat`: the id of an interaction.
    #[arg(long, value_name = "KIND", requires = "value")]
    kind: Option<String>,
    /// With --kind: the value, exactly as it was sealed.
    #[arg(long, value_name = "VALUE", requires = "kind")]
    value: Option<String>,
}

impl Target {
    /// The data directory, where no server was named.
    pub(crate) fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("./ledgerline-data"))
    }
}

impl NamedPerson {
    pub(crate) fn named(&self) -> Person {
        Person {
            phone: self.phone.clone(),
            email: self.email.clone(),
            subject_id: self.subject_id,
            kind: self.kind.clone(),
            value: self.value.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EraseSubject {
    #[command(flatten)]
    pub(crate) person: NamedPerson,
    /// Why; kept in clear for ever, so without the number or address itself.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Only show which keys would be destroyed.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) verb: KeysVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Which keys there are; no secrets.
    List(Local),
    /// Make a new key-encryption key, wrap every key with it and destroy the old one.
    RotateKek(Local),
    /// Make a new data key for a person; what was sealed before stays readable.
    Rotate(KeysRotate),
    /// Make a new storage key for files that are encrypted from now on; older files stay readable.
    RotateStorage(Local),
}

#[derive(Debug, Args)]
pub(crate) struct KeysRotate {
    #[command(flatten)]
    pub(crate) person: NamedPerson,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(subcommand)]
    pub(crate) verb: ArchiveVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveVerb {
    /// Copy every sealed segment that is not there yet, each verified by reading it back.
    Run(ArchiveRun),
    /// Show every segment, and where it is. Works beside a running server.
    List(ArchiveList),
    /// Read every archived segment and verify it to the last frame. Works beside a running server.
    Verify(ArchiveList),
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveRun {
    #[command(flatten)]
    pub(crate) local: Local,
    /// Folder or `s3://BUCKET/PREFIX`; remembered in the data directory. Without it the one remembered.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Option<String>,
    /// Drop local copies of archived segments but for this many of the newest.
    #[arg(long, value_name = "N")]
    pub(crate) keep_local_segments: Option<u64>,
    /// Drop local copies of archived segments without an event of the last so many days.
    #[arg(long, value_name = "N")]
    pub(crate) keep_local_days: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveList {
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Folder or `s3://BUCKET/PREFIX`. A repetition with the same one copies what is new.
    pub(crate) destination: String,
    /// Data directory; a server may be running on it.
    #[arg(long, value_name = "DIR", default_value = "./ledgerline-data")]
    pub(crate) data: PathBuf,
    /// Also copy the keys: of personal data, of tokens, of checkpoints. No server may be running then, and
    /// whoever can read the backup can read personal data.
    #[arg(long)]
    pub(crate) with_keys: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup: folder or `s3://BUCKET/PREFIX`.
    pub(crate) source: String,
    /// Data directory to make: absent, empty, or with nothing but the keys of a backup without keys (`keys.redb`,
    /// `kek`, `kek-folder`), which a log that is encrypted at rest needs.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The organization, by name or id; all when left out.
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Restore up to this position: to the last append that ends at or before it.
    #[arg(long, value_name = "POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) to: Option<u64>,
    /// Restore up to this time, such as `2026-11-20T08:00:00Z`: to the last append recorded by then.
    #[arg(long, value_name = "RFC3339", conflicts_with = "to", value_parser = Timestamp::parse)]
    pub(crate) to_time: Option<Timestamp>,
}
