//! The `Authorization: Bearer` header (RFC 6750, section 2.1).

use crate::error::AccessError;

/// The token of an `Authorization` header value; the scheme is compared without regard to case.
///
/// # Errors
/// [`AccessError::Missing`] without a header, [`AccessError::NotBearer`] when it has another scheme,
/// no token, or characters that no token has.
pub fn bearer(header: Option<&str>) -> Result<&str, AccessError> {
    let header = header.ok_or(AccessError::Missing)?;
    let (scheme, token) = header.trim().split_once(' ').ok_or(AccessError::NotBearer)?;
    let token = token.trim_start_matches(' ');
    let well_formed = !token.is_empty()
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte));
    if scheme.eq_ignore_ascii_case("bearer") && well_formed {
        Ok(token)
    } else {
        Err(AccessError::NotBearer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_token_and_nothing_else() {
        assert_eq!(bearer(Some("Bearer a.b-c_d")), Ok("a.b-c_d"));
        assert_eq!(bearer(Some("bearer  abc ")), Ok("abc"));
        assert_eq!(bearer(None), Err(AccessError::Missing));
        for header in ["", "Bearer", "Bearer ", "Basic abc", "Bearer a b", "Bearer a\u{e9}"] {
            assert_eq!(bearer(Some(header)), Err(AccessError::NotBearer), "{header:?}");
        }
    }
}
