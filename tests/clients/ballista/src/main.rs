//! Asks a Ballista cluster: `ballista-check df://HOST:PORT FILE QUESTION…`. FILE has the statements of a publication; each
//! answer is printed as CSV with a header, an empty line behind it.

use ballista::prelude::SessionContextExt as _;
use ballista_core::object_store::state_with_s3_support;
use datafusion::arrow::csv::WriterBuilder;
use datafusion::prelude::SessionContext;

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(cluster), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: ballista-check df://HOST:PORT FILE QUESTION…".into());
    };
    let context = SessionContext::remote_with_state(&cluster, state_with_s3_support()?).await?;
    // Each part of a question reads the files it was given, wherever it runs.
    context.sql("set datafusion.execution.enable_file_stream_work_stealing = false").await?;
    let statements = std::fs::read_to_string(file)?;
    for statement in statements.split(";\n").filter(|it| !it.trim().is_empty()) {
        context.sql(statement).await.map_err(|error| format!("{statement}: {error}"))?;
    }
    for question in arguments {
        let answer = context.sql(&question).await?;
        let schema = answer.schema().as_arrow().clone();
        let mut csv = WriterBuilder::new().with_header(true).build(Vec::new());
        let mut rows = 0;
        for batch in answer.collect().await? {
            rows += batch.num_rows();
            csv.write(&batch)?;
        }
        if rows == 0 {
            let names: Vec<&str> = schema.fields().iter().map(|it| it.name().as_str()).collect();
            println!("{}", names.join(","));
        } else {
            print!("{}", String::from_utf8(csv.into_inner())?);
        }
        println!();
    }
    Ok(())
}
