//! What a first run says about the dashboard: where it is, and, apart from it, a one-time code.
//!
//! The code goes to stderr as every note does, and into no log of ours. Whoever lets a supervisor
//! keep stderr keeps the code too, for the ten minutes that it is good: `--no-sign-in-code` is for
//! them.

use agentadmit_engine::verbs::dashboard::FirstSignInCode;
use agentadmit_engine::{Engine, Lane};

use crate::output::note;

/// Says where the dashboard is, and on a store that nobody operates yet how to come in.
pub(crate) async fn invite(engine: &Engine, page: &str, prints_code: bool) {
    note(&format!("dashboard at {page}"));
    if !prints_code {
        return;
    }
    match engine.call(Lane::Reserved, FirstSignInCode).await {
        Ok(Some(created)) => note(&format!(
            "nobody has signed in there yet; this code opens it once, within 10 minutes:\n\n    {}\n",
            &*created.code.expose()
        )),
        Ok(None) => {}
        // the service runs without it, and says itself what it lacks
        Err(error) => note(&format!("no sign-in code could be made: {error}")),
    }
}
