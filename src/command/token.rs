//! `ledgerline token`.

use std::collections::BTreeSet;

use ledgerline_access::{Grant, NewUser, Role, ScramCredentials, TokenIssuer};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{UserId, UserProfileId};

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
    let user_profile_id = arguments.user_profile.map(|name| {
        name.parse::<UserProfileId>().unwrap_or_else(|_| {
            let id = EntityKind::UserProfile.derive_id(known.org_id, &name);
            UserProfileId::new(id.uuid())
        })
    });
    let subject = arguments
        .subject
        .or(arguments.user)
        .or_else(|| roles.iter().next().map(|role| role.name().to_owned()))
        .unwrap_or_default();
    if arguments.sql_user {
        let users = ScramCredentials::open(data.root()).map_err(Failure::file)?;
        let name = subject.clone();
        let user = NewUser { name, org_id: known.org_id, roles, user_id, user_profile_id };
        let password = users.create_user(&user).map_err(Failure::data)?;
        say(&format!("user {subject}"));
        say(&format!("password {password}"));
        return Ok(());
    }
    let issuer = TokenIssuer::open(data.root()).map_err(Failure::file)?;
    let (org_id, ttl_s) = (known.org_id, arguments.hours * 3_600);
    let grant = Grant { org_id, subject, roles, user_id, user_profile_id, ttl_s };
    say(&issuer.issue(&grant).map_err(Failure::data)?);
    Ok(())
}
