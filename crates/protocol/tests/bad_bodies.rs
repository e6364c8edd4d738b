//! What is answered to bodies that are wrong: status, member, and a sentence without the value.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use agentadmit_protocol::api::connections::PatchConnectionRequest;
use agentadmit_protocol::api::operator::{CreateAppRequest, CreateKeyRequest};
use agentadmit_protocol::api::public_keys::PutPublicKeysRequest;
use agentadmit_protocol::api::scopes::PutScopesRequest;
use agentadmit_protocol::api::token::{ExchangeRequest, IssueRequest};
use agentadmit_protocol::api::verify::VerifyRequest;
use agentadmit_protocol::json::{self, BadBody};
use agentadmit_protocol::secret::MalformedSecret;
use agentadmit_protocol::settings::Plan;
use serde::de::DeserializeOwned;

/// The member of a 422, or an empty answer that fails every comparison.
#[track_caller]
fn member<T: DeserializeOwned>(body: &str) -> (String, String) {
    match json::from_slice::<T>(body.as_bytes()).err().unwrap() {
        BadBody::Member { field, description } => (field, description),
        BadBody::Syntax { description } => unreachable!("{body}: {description}"),
    }
}

#[track_caller]
fn is_syntax(body: &[u8]) {
    let error = json::from_slice::<IssueRequest>(body).unwrap_err();
    assert!(matches!(error, BadBody::Syntax { .. }), "{error}");
}

#[test]
fn what_is_no_json_is_400() {
    let bodies: [&[u8]; 18] = [
        b"",
        b" \n\t",
        b"{",
        b"{]",
        b"{\"user_id\"}",
        b"{\"user_id\":}",
        b"{\"user_id\":\"u\",}",
        b"{'user_id':'u'}",
        b"{user_id:1}",
        b"{\"user_id\":\"u\"} x",
        b"{\"user_id\":\"u\"}{}",
        b"{\"user_id\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
        b"{\"user_id\":\"\\ud800\"}",
        b"{\"user_id\":\"a\nb\"}",
        b"{\"duration_seconds\":01}",
        b"{\"duration_seconds\":NaN}",
        b"// comment\n{}",
    ];
    for body in bodies {
        is_syntax(body);
    }
}

#[test]
fn nesting_beyond_the_limit_is_400_at_any_depth() {
    let nested =
        |depth: usize| format!("{{\"user_id\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    is_syntax(nested(32).as_bytes());
    is_syntax(nested(10_000).as_bytes());
    is_syntax("[".repeat(60_000).as_bytes());
    assert_eq!(member::<IssueRequest>(&nested(31)).0, "user_id");
    let brackets_in_a_string = format!("{{\"user_id\":{:?}}}", "[".repeat(100));
    assert_eq!(member::<IssueRequest>(&brackets_in_a_string).0, "scopes");
}

#[test]
fn the_wrong_member_of_an_issue_is_named() {
    let table = [
        (r"[]", ""),
        (r"null", ""),
        (r"7", ""),
        (r#""x""#, ""),
        (r#"["u",["a:b"]]"#, ""),
        (r"{}", "user_id"),
        (r#"{"user_id":"u"}"#, "scopes"),
        (r#"{"scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":null,"scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":7,"scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":"","scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":"a\u0000","scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":["u"],"scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":"u","scopes":"a:b"}"#, "scopes"),
        (r#"{"user_id":"u","scopes":null}"#, "scopes"),
        (r#"{"user_id":"u","scopes":{}}"#, "scopes"),
        (r#"{"user_id":"u","scopes":["a:b",7]}"#, "scopes[1]"),
        (r#"{"user_id":"u","scopes":["a:b","nope"]}"#, "scopes[1]"),
        (r#"{"user_id":"u","scopes":[null]}"#, "scopes[0]"),
        (r#"{"user_id":"u","scopes":["a:b"],"duration_seconds":"60"}"#, "duration_seconds"),
        (r#"{"user_id":"u","scopes":["a:b"],"duration_seconds":60.5}"#, "duration_seconds"),
        (r#"{"user_id":"u","scopes":["a:b"],"duration_seconds":6e1}"#, "duration_seconds"),
        (
            r#"{"user_id":"u","scopes":["a:b"],"duration_seconds":99999999999999999999}"#,
            "duration_seconds",
        ),
        (r#"{"user_id":"u","scopes":["a:b"],"duration_seconds":true}"#, "duration_seconds"),
        (r#"{"user_id":"u","scopes":["a:b"],"until_revoked":"true"}"#, "until_revoked"),
        (r#"{"user_id":"u","scopes":["a:b"],"until_revoked":1}"#, "until_revoked"),
        (r#"{"user_id":"u","scopes":["a:b"],"purpose":""}"#, "purpose"),
        (r#"{"user_id":"u","scopes":["a:b"],"purpose":"a\u202eb"}"#, "purpose"),
        (r#"{"user_id":"u","scopes":["a:b"],"user_label":"e\u0301"}"#, "user_label"),
        (r#"{"user_id":"u","scopes":["a:b"],"agent_label":"a\tb"}"#, "agent_label"),
        (r#"{"user_id":"u","scopes":["a:b"],"on_behalf_of":"root"}"#, "on_behalf_of"),
        (r#"{"user_id":"u","scopes":["a:b"],"userid":"u"}"#, "userid"),
        (r#"{"user_id":"u","scopes":["a:b"],"untilRevoked":true}"#, "untilRevoked"),
        (r#"{"user_id":"u","user_id":"u","scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":"u","us\u0065r_id":"v","scopes":["a:b"]}"#, "user_id"),
        (r#"{"user_id":"u","scopes":["a:b"],"x":{"y":1,"y":2}}"#, "x.y"),
    ];
    for (body, field) in table {
        let (found, description) = member::<IssueRequest>(body);
        assert_eq!(found, field, "{body}: {description}");
    }
}

#[test]
fn nested_members_are_named_by_their_path() {
    let scope =
        |members: &str| format!(r#"{{"scopes":[{{"name":"a:b","description":"x"}},{members}]}}"#);
    for (body, field) in [
        (scope(r#"{"name":"A:b","description":"x"}"#), "scopes[1].name"),
        (scope(r#"{"name":"a:c"}"#), "scopes[1].description"),
        (scope(r#"{"name":"a:c","description":"x","admin":"yes"}"#), "scopes[1].admin"),
        (scope(r#"{"name":"a:c","description":"x","sensitve":true}"#), "scopes[1].sensitve"),
        (scope(r#"{"name":"a:c","description":"x","name":"a:d"}"#), "scopes[1].name"),
        (scope(r#"["a:c","x"]"#), "scopes[1]"),
        (scope(r#""a:c""#), "scopes[1]"),
    ] {
        assert_eq!(member::<PutScopesRequest>(&body).0, field, "{body}");
    }
    for (body, field) in [
        (r#"{"name":"x","settings":{"idle_days":366}}"#, "settings.idle_days"),
        (r#"{"name":"x","settings":{"idle_day":1}}"#, "settings.idle_day"),
        (
            r#"{"name":"x","settings":{"rate_limit":{"per_key_per_second":-1}}}"#,
            "settings.rate_limit.per_key_per_second",
        ),
        (r#"{"name":"x","settings":{"rate_limit":[1,2]}}"#, "settings.rate_limit"),
        (
            r#"{"name":"x","settings":{"redirect_uris":["https://a.example/","http://b.example/"]}}"#,
            "settings.redirect_uris[1]",
        ),
        (r#"{"name":"x","settings":{"issuance":{"app":null}}}"#, "settings.issuance"),
        (r#"{"name":"x","settings":[]}"#, "settings"),
    ] {
        assert_eq!(member::<CreateAppRequest>(body).0, field, "{body}");
    }
    assert_eq!(
        member::<CreateKeyRequest>(r#"{"environment":"live","permissions":["verify","root"]}"#).0,
        "permissions[1]"
    );
    assert_eq!(member::<CreateKeyRequest>(r#"{"environment":{"live":null}}"#).0, "environment");
    assert_eq!(
        member::<PutPublicKeysRequest>(
            r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","environment":"test","d":"AQAB"}]}"#
        )
        .0,
        "keys[0].d"
    );
    assert_eq!(member::<PatchConnectionRequest>(r#"{"expires_at":"tomorrow"}"#).0, "expires_at");
    assert_eq!(member::<Plan>(r#"{"name":"x","status":"active"}"#).0, "call_limit");
}

#[test]
fn a_sentence_says_the_rule_and_the_nearest_name() {
    let (_, text) =
        member::<IssueRequest>(r#"{"user_id":"u","scopes":["a:b"],"durationseconds":60}"#);
    assert_eq!(
        text,
        "`durationseconds` is not a member of this request: did you mean `duration_seconds`?"
    );
    let (_, text) = member::<IssueRequest>(r#"{"user_id":7}"#);
    assert_eq!(text, "`user_id` must be a user id (a string), not a number");
    let (_, text) = member::<IssueRequest>("[]");
    assert_eq!(text, "the body must be a JSON object");
    let (_, text) = member::<IssueRequest>(r#"{"user_id":"u"}"#);
    assert_eq!(text, "`scopes` is required");
    let (_, text) = member::<CreateKeyRequest>(r#"{"environment":"prod"}"#);
    assert_eq!(text, "`environment` must be one of test, live");
}

#[test]
fn no_value_is_ever_repeated() {
    let secret = "ag_at_SECRETSECRET";
    for body in [
        format!(r#"{{"token":["{secret}"]}}"#),
        format!(r#"{{"token":{{"{secret}":1}}}}"#),
        format!(r#"{{"token":"x","scope_used":"{secret}"}}"#),
        format!(r#"{{"token":"x","endpoint":"/?token={secret}"}}"#),
        format!(r#"{{"token":"x","method":"{secret}"}}"#),
        format!(r#"{{"token":"x","agent_ip":"{secret}"}}"#),
        format!(r#"{{"token":"x","{secret}":1}}"#),
        format!(r#"{{"token":"{secret}","token":"{secret}"}}"#),
        format!(r#"{{"token":"{secret}""#),
        format!(r#"{{"token":"{secret}"}} {secret}"#),
        format!(r#""{secret}""#),
    ] {
        let error = json::from_slice::<VerifyRequest>(body.as_bytes()).unwrap_err();
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}

#[test]
fn a_right_body_is_read_whatever_its_blanks_and_empty_members() {
    let body = b" \r\n{ \"user_id\" : \"u\", \"scopes\":[\"a:b\"], \"duration_seconds\":null,
        \"until_revoked\":null, \"purpose\":null, \"on_behalf_of\":null } \n";
    let request: IssueRequest = json::from_slice(body).unwrap();
    assert_eq!((request.duration_seconds, request.until_revoked), (None, false));
}

#[test]
fn a_presented_token_may_be_any_string() {
    let request: ExchangeRequest = json::from_slice(br#"{"token":""}"#).unwrap();
    assert_eq!(request.token.0, Err(MalformedSecret::Prefix));
    let request: VerifyRequest = json::from_slice(br#"{"token":"ag_\u0063t_x"}"#).unwrap();
    assert!(request.token.0.unwrap_err().is_clipped_connection_token());
    assert_eq!(member::<VerifyRequest>(r#"{"token":null}"#).0, "token");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_answered(body: Vec<u8>) {
        let _ = json::from_slice::<IssueRequest>(&body);
    }

    #[test]
    fn anything_shaped_like_json_is_answered(body in r#"[\{\}\[\]",:0-9a-z_ \\]{0,80}"#) {
        let _ = json::from_slice::<IssueRequest>(body.as_bytes());
        let _ = json::from_slice::<CreateAppRequest>(body.as_bytes());
    }
}
