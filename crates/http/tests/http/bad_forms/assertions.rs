//! Client assertions that prove nothing (RFC 7521 section 4.2.1, RFC 7523 section 3).

use serde_json::{Value, json};

use super::{FORM, Table, bad_client, bad_request};
use crate::assertion::{NOW, changed, sign};
use crate::support::{Ask, ISSUER};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Table<'_> {
    pub(super) async fn assertions(&mut self) {
        self.types().await;
        self.texts().await;
        self.headers().await;
        self.claims().await;
    }

    fn with_assertion(&self, assertion: &str) -> Ask {
        let id = self.world.app.app_id.as_str();
        self.ask().body(
            FORM,
            self.world.form(&[
                ("client_id", id),
                ("client_assertion", assertion),
                ("client_assertion_type", JWT_BEARER),
            ]),
        )
    }

    async fn types(&mut self) {
        let signer = &self.world.signer;
        let jwt = signer.sign(&signer.claims("a jti that is never spent"));
        for kind in [
            "",
            "x",
            "jwt",
            "jwt-bearer",
            "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
            "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer ",
            "URN:IETF:PARAMS:OAUTH:CLIENT-ASSERTION-TYPE:JWT-BEARER",
        ] {
            let form = [("client_assertion", &*jwt), ("client_assertion_type", kind)];
            let ask = self.ask().body(FORM, self.world.form(&form));
            let expected = bad_request(Some("client_assertion_type"));
            self.expect("an assertion's type", ask, expected, kind).await;
        }
        let ask = self.ask().body(FORM, self.world.form(&[("client_assertion", &*jwt)]));
        let expected = bad_request(Some("client_assertion_type"));
        self.expect("an assertion's type", ask, expected, "none").await;
    }

    async fn texts(&mut self) {
        let signer = &self.world.signer;
        let good = signer.sign(&signer.claims("a jti that is never spent"));
        let (message, signature) = good.rsplit_once('.').unwrap();
        let reversed: String = signature.chars().rev().collect();
        let texts = [
            "x".to_owned(),
            "..".to_owned(),
            "a.b".to_owned(),
            "a.b.c".to_owned(),
            "a.b.c.d".to_owned(),
            "e30.e30.".to_owned(),
            "bnVsbA.bnVsbA.x".to_owned(),
            "x".repeat(4_097),
            self.world.app.live.clone(),
            message.to_owned(),
            format!("{message}."),
            format!("{message}.{reversed}"),
            format!("{good}="),
            format!("{good}.x"),
            format!(" {good}"),
            format!("Bearer {good}"),
            good.replace('.', ".."),
            good.to_lowercase(),
        ];
        for text in texts {
            let ask = self.with_assertion(&text);
            self.expect("an assertion", ask, bad_client(), &text).await;
        }
    }

    async fn headers(&mut self) {
        let signer = &self.world.signer;
        let mut number = 0;
        for (member, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("alg", json!("RS512")),
            ("alg", json!("PS256")),
            ("alg", json!("rs256")),
            ("alg", Value::Null),
            ("kid", json!("other")),
            ("kid", json!("")),
            ("kid", json!(1)),
            ("typ", json!("at+jwt")),
            ("jku", json!("https://x.example")),
            ("x5u", json!("https://x.example")),
            ("jwk", json!({})),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
        ] {
            number += 1;
            let claims = signer.claims(&format!("a jti for each header {number}"));
            let jwt = sign(&changed(signer.header(), member, value.clone()), &claims);
            let what = format!("{member} {value}");
            self.expect("an assertion's header", self.with_assertion(&jwt), bad_client(), &what)
                .await;
        }
    }

    async fn claims(&mut self) {
        let signer = &self.world.signer;
        let other = json!(self.world.other.app_id);
        for (number, (member, value)) in [
            ("iss", other.clone()),
            ("iss", json!("x")),
            ("iss", Value::Null),
            ("sub", other),
            ("sub", json!("u1")),
            ("aud", json!([ISSUER])),
            ("aud", json!(format!("{ISSUER}{}", self.endpoint))),
            ("aud", json!(format!("{ISSUER}/"))),
            ("aud", json!("https://other.example")),
            ("exp", json!(NOW + 61)),
            ("exp", json!(NOW)),
            ("exp", json!(NOW - 60)),
            ("exp", json!("soon")),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("exp", Value::Null),
            ("iat", json!(NOW + 40)),
            ("iat", json!(NOW - 1)),
            ("iat", Value::Null),
            ("jti", json!("short")),
            ("jti", json!("x".repeat(129))),
            ("jti", json!(1)),
            ("jti", Value::Null),
        ]
        .into_iter()
        .enumerate()
        {
            let claims = signer.claims(&format!("a jti for each claim {number}"));
            let jwt = signer.sign(&changed(claims, member, value.clone()));
            let what = format!("{member} {value}");
            self.expect("an assertion's claims", self.with_assertion(&jwt), bad_client(), &what)
                .await;
        }
    }
}
