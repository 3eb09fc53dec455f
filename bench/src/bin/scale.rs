//! Queue legs by the tens of millions: `cargo xtask bench --only scale` runs all of it.
//!
//! ```text
//! scale generate --data DIR [--rows N] [--seed N]
//! scale ask      --data DIR --answers DIR [--rounds N] [--clients N] [--memory-mb N] [--only q03]
//! scale report   --data DIR --answers DIR
//! ```

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use ledgerline_bench::scale::generate::{ABOUT, About};
use ledgerline_bench::scale::result::Run;
use ledgerline_bench::scale::{Failure, ask, generate, report};

const QUERIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/analyzer/queries");

struct Options(BTreeMap<String, String>);

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = BTreeMap::new();
        while let Some(name) = arguments.next() {
            let known =
                ["data", "answers", "rows", "seed", "rounds", "clients", "memory-mb", "only"];
            let name =
                name.strip_prefix("--").filter(|name| known.contains(name)).map(str::to_owned);
            let name = name.ok_or(
                "options are --data, --answers, --rows, --seed, --rounds, --clients, --memory-mb, --only",
            )?;
            let value = arguments.next().ok_or_else(|| format!("--{name} needs a value"))?;
            options.insert(name, value);
        }
        Ok(Self(options))
    }

    fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.0.get(name).ok_or_else(|| format!("--{name} is missing"))?;
        Ok(PathBuf::from(path))
    }

    fn number(&self, name: &str, otherwise: u64) -> Result<u64, Failure> {
        self.0.get(name).map_or(Ok(otherwise), |text| {
            text.parse().map_err(|error| format!("--{name} {text}: {error}").into())
        })
    }
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next().unwrap_or_default();
    let options = Options::parse(arguments)?;
    let data = options.path("data")?;
    let mut out = std::io::stdout();
    match verb.as_str() {
        "generate" => {
            let rows = options.number("rows", 20_000_000)?;
            let about = generate::generate(&data, rows, options.number("seed", 1)?)?;
            writeln!(out, "{} legs in {} files, {} bytes", about.rows, about.days, about.bytes)?;
        }
        "ask" => {
            let answers = options.path("answers")?;
            std::fs::create_dir_all(&answers)?;
            let rounds = usize::try_from(options.number("rounds", 10)?)?;
            let clients = usize::try_from(options.number("clients", 8)?)?;
            let memory = usize::try_from(options.number("memory-mb", 8_192)?)? << 20;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let state = ask::open(&data, ask::limits(memory))?;
            let about: About = serde_json::from_slice(&std::fs::read(data.join(ABOUT))?)?;
            let queries = (Path::new(QUERIES), about.interaction);
            let only = options.0.get("only").map(String::as_str);
            let asked = ask::one_by_one(&state, queries, &answers, rounds, only);
            let mut run = runtime.block_on(asked)?;
            if clients > 0 {
                run.mixed = Some(runtime.block_on(ask::mixed(&state, queries, clients))?);
            }
            run.write(&answers.join(format!("{}.json", ask::ENGINE)))?;
        }
        "report" => {
            let answers = options.path("answers")?;
            let about = serde_json::from_slice(&std::fs::read(data.join(ABOUT))?)?;
            let mut runs = Vec::new();
            for engine in [ask::ENGINE, "duckdb", "chdb"] {
                let path = answers.join(format!("{engine}.json"));
                if path.exists() {
                    runs.push(Run::read(&path)?);
                }
            }
            write!(out, "{}", report::markdown(&about, &answers, &runs)?)?;
        }
        _ => return Err("say generate, ask or report".into()),
    }
    Ok(())
}
