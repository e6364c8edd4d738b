//! The whole story.

use crate::support::{Ran, agentadmit};

#[test]
fn the_story_behaves_as_documented() {
    let told = Ran::of(agentadmit().args(["demo", "--once"])).ok();
    assert!(told.stdout.contains("all 10 steps behaved as documented"), "{}", told.stdout);
    for answer in
        ["insufficient_scope", "invalid_token", "invalid_grant", "connection_token_replayed"]
    {
        assert!(told.stdout.contains(answer), "{answer} is not in\n{}", told.stdout);
    }
    assert!(told.stdout.contains("ms after the answer to Ada"));
    assert!(!told.stdout.contains('\u{1b}'), "NO_COLOR is respected");
    assert!(!told.stdout.contains("ag_at_"), "nobody sees an access token but its agent");
}
