//! `ledgerline token`.

use std::collections::BTreeSet;

use ledgerline_access::{Grant, NewUser, Role, ScramCredentials, TokenIssuer};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::UserId;

use crate::cli::Token;
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::output::say;

/// Issues a token (or a database user) and prints it.
pub(crate) fn run(arguments: Token) -> Result<(), Failure> {
    let data = DataDir::existing(&arguments.data)?;
    let known = data.choose(arguments.org.as_deref())?;
    let mut roles = BTreeSet::new();
    for role in &arguments.role {
        roles.insert(
            role.parse::<Role>().map_err(|error| Failure::data(format!("--role: {error}")))?,
        );
    }
    let user_id = arguments.user.as_ref().map(|name| {
        name.parse::<UserId>()
            .unwrap_or_else(|_| UserId::new(EntityKind::User.derive_id(known.org_id, name).uuid()))
    });
    let subject = arguments
        .subject
        .or(arguments.user)
        .or_else(|| roles.iter().next().map(|role| role.name().to_owned()))
        .unwrap_or_default();
    if arguments.sql_user {
        let users = ScramCredentials::open(data.root()).map_err(Failure::file)?;
        let user = NewUser { name: subject.clone(), org_id: known.org_id, roles, user_id };
        let password = users.create_user(&user).map_err(Failure::data)?;
        say(&format!("user {subject}"));
        say(&format!("password {password}"));
        return Ok(());
    }
    let issuer = TokenIssuer::open(data.root()).map_err(Failure::file)?;
    let grant =
        Grant { org_id: known.org_id, subject, roles, user_id, ttl_s: arguments.hours * 3_600 };
    say(&issuer.issue(&grant).map_err(Failure::data)?);
    Ok(())
}
