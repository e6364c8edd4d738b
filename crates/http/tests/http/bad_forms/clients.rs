//! Clients that prove themselves not at all, wrongly, or in two ways at once.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::json;

use super::{FORM, Table, bad_client, bad_request, basic};

impl Table<'_> {
    pub(super) async fn clients(&mut self) {
        self.no_proof().await;
        self.authorization().await;
        self.basic().await;
        self.secret_in_the_form().await;
        self.another_client().await;
        self.two_proofs().await;
        let key = json!({"environment": "live", "permissions": ["issue", "manage"]});
        let (_, lacking) = self.world.app.key(&key).await;
        let ask = self.ask().body(FORM, self.world.form(&[])).bearer(&lacking);
        self.expect("a permission", ask, (403, "forbidden", None), "not verify").await;
    }

    async fn no_proof(&mut self) {
        let (id, key) = (self.world.app.app_id.as_str(), self.world.app.live.as_str());
        for more in [
            [].as_slice(),
            &[("client_id", id)],
            &[("client_secret", key)],
            &[("client_id", ""), ("client_secret", key)],
            &[("client_id", id), ("client_secret", "")],
            &[("client_id", id), ("client_assertion", "")],
            &[("client_id", id), ("client_assertion_type", "x")],
            &[("Client_Id", id), ("Client_Secret", key)],
            &[("client_id", id), ("secret", key)],
            &[("client_id", id), ("api_key", key)],
            &[("client_id", id), ("password", key)],
        ] {
            let names: Vec<_> = more.iter().map(|(name, _)| *name).collect();
            // a token that was handed over is proof enough of its own end: `crate::oauth`
            let says_who = names.iter().any(|name| name.starts_with("client_"));
            if self.endpoint == "/oauth/revoke" && !says_who {
                continue;
            }
            let ask = self.ask().body(FORM, self.world.form(more));
            self.expect("no proof", ask, bad_client(), &format!("{names:?}")).await;
        }
    }

    /// Headers that are neither a Bearer nor Basic.
    async fn authorization(&mut self) {
        let key = self.world.app.live.clone();
        let mut values: Vec<(String, Vec<u8>)> = vec![
            ("bytes".to_owned(), [b"Bearer \xff\xfe", key.as_bytes()].concat()),
            ("latin 1".to_owned(), b"Bearer cl\xe9".to_vec()),
        ];
        let texts = [
            String::new(),
            " ".to_owned(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            "Basic".to_owned(),
            key.clone(),
            format!("Bearer={key}"),
            format!("Bearer:{key}"),
            format!("Bearer\t{key}"),
            format!("Bearer {key} x"),
            format!("Bearer {key},Bearer {key}"),
            format!("BearerX {key}"),
            format!("Token {key}"),
            format!("ApiKey {key}"),
            format!("Digest username=\"{key}\""),
            "Negotiate YQ==".to_owned(),
            "AWS4-HMAC-SHA256 Credential=x".to_owned(),
        ];
        values.extend(texts.map(|text| (text.clone(), text.into_bytes())));
        for (what, secret) in &self.world.bad_secrets {
            values.push(((*what).to_owned(), format!("Bearer {secret}").into_bytes()));
        }
        for (what, value) in values {
            let ask = self.ask().body(FORM, self.world.form(&[]));
            let ask = ask.header_bytes("authorization", &value);
            self.expect("a header", ask, bad_client(), &what).await;
        }
        let id = &self.world.app.app_id;
        let (bearer, basic) = (format!("Bearer {key}"), basic(id, &key));
        for [one, two] in [[&bearer, &bearer], [&basic, &basic], [&bearer, &basic]] {
            let ask = self.ask().body(FORM, self.world.form(&[]));
            let ask = ask.header("authorization", one).header("authorization", two);
            self.expect("a header", ask, bad_client(), "two headers").await;
        }
    }

    async fn basic(&mut self) {
        let (id, key) = (self.world.app.app_id.clone(), self.world.app.live.clone());
        let other = self.world.other;
        let encoded = STANDARD.encode(format!("{id}:{key}"));
        let mut values = vec![
            "Basic ".to_owned(),
            "Basic  ".to_owned(),
            "Basic !!!".to_owned(),
            "Basic ====".to_owned(),
            "Basic YQ".to_owned(),
            "Basic YQ=".to_owned(),
            format!("Basic  {encoded}"),
            format!("Basic {encoded} x"),
            format!("Basic {encoded},{encoded}"),
            format!("Basic {encoded}="),
            format!("Basic {}", STANDARD.encode([b"\xff\xfe:", key.as_bytes()].concat())),
            // `?` and `>` are spelled with characters of the other alphabet
            format!("Basic {}", URL_SAFE.encode(format!("{id}:{key}>?>?>?"))),
        ];
        let pairs = [
            String::new(),
            ":".to_owned(),
            id.clone(),
            key.clone(),
            format!("{id}:"),
            format!(":{key}"),
            format!("{id};{key}"),
            format!("{key}:{id}"),
            format!("{id}:{key}:x"),
            format!("{id}:{key}\n"),
            format!(" {id}:{key}"),
            format!("{id} :{key}"),
            format!("{}:{key}", id.to_uppercase()),
            format!("{}:{key}", &id[..id.len() - 1]),
            format!("app_00000000000000000000000000:{key}"),
            format!("{}:{key}", other.app_id),
            format!("{id}:{}", other.live),
            format!("{id}&x:{key}"),
            format!("{id}=x:{key}"),
            format!("{id}:{key}&x=y"),
            format!("{id}:{key}%ff"),
            format!("{id}:{key}%"),
        ];
        values.extend(pairs.map(|pair| format!("Basic {}", STANDARD.encode(pair))));
        for (_, secret) in &self.world.bad_secrets {
            values.push(basic(&id, secret));
        }
        for value in values {
            let ask = self.ask().body(FORM, self.world.form(&[]));
            let ask = ask.header("authorization", &value);
            self.expect("Basic", ask, bad_client(), &value).await;
        }
    }

    async fn secret_in_the_form(&mut self) {
        let id = self.world.app.app_id.clone();
        for (what, secret) in &self.world.bad_secrets {
            let form = self.world.form(&[("client_id", &id), ("client_secret", secret)]);
            self.expect("a secret", self.ask().body(FORM, form), bad_client(), what).await;
        }
    }

    /// A good credential, and the id of somebody else beside it.
    async fn another_client(&mut self) {
        let (id, key) = (&self.world.app.app_id, &self.world.app.live);
        let ids = [
            "x".to_owned(),
            "app_00000000000000000000000000".to_owned(),
            self.world.other.app_id.clone(),
            id.to_uppercase(),
            id[..id.len() - 1].to_owned(),
            format!("{id} "),
            format!("{id}\0"),
        ];
        for wrong in ids {
            let named = self.world.form(&[("client_id", &wrong)]);
            let secret = self.world.form(&[("client_id", &wrong), ("client_secret", key)]);
            for ask in [
                self.ask().body(FORM, named.clone()).bearer(key),
                self.ask().body(FORM, named).header("authorization", &basic(id, key)),
                self.ask().body(FORM, secret),
            ] {
                self.expect("another client", ask, bad_client(), &wrong).await;
            }
        }
    }

    async fn two_proofs(&mut self) {
        let (id, key) = (&self.world.app.app_id, &self.world.app.live);
        let signer = &self.world.signer;
        let jwt = signer.sign(&signer.claims("a jti that is never spent"));
        let (secret, assertion) = (("client_secret", key.as_str()), ("client_assertion", &*jwt));
        let bad = ("client_secret", "x");
        let (bearer, basic) = (format!("Bearer {key}"), basic(id, key));
        for (what, header, more) in [
            ("Bearer and secret", Some(&bearer), [secret].as_slice()),
            ("Bearer and a bad secret", Some(&bearer), &[bad]),
            ("Bearer and assertion", Some(&bearer), &[assertion]),
            ("Basic and secret", Some(&basic), &[secret]),
            ("Basic and a bad secret", Some(&basic), &[bad]),
            ("Basic and assertion", Some(&basic), &[assertion]),
            ("secret and assertion", None, &[secret, assertion]),
            ("a bad secret and assertion", None, &[bad, assertion]),
            ("Bearer, secret and assertion", Some(&bearer), &[secret, assertion]),
            ("Basic, secret and assertion", Some(&basic), &[secret, assertion]),
        ] {
            let form = [("client_id", id.as_str())].iter().chain(more).copied().collect::<Vec<_>>();
            let ask = self.ask().body(FORM, self.world.form(&form));
            let ask = match header {
                Some(value) => ask.header("authorization", value),
                None => ask,
            };
            self.expect("two proofs", ask, bad_request(None), what).await;
        }
    }
}
