//! Words about developers of apps: what a member of an app may do, and who may become one.

crate::wire::words! {
    /// What a member of an app may do.
    pub enum Role {
        /// Everything that the app's developers may do, and to say who else may.
        Owner = "owner",
        /// To look at everything, and to change nothing.
        Viewer = "viewer",
    }
}

crate::wire::words! {
    /// Who may make a developer's account (`serve --sign-up`).
    #[derive(Default)]
    pub enum SignUp {
        /// Everybody.
        Open = "open",
        /// Whoever has a link from an operator, or from an owner of an app.
        Invite = "invite",
        /// Nobody. Accounts that there are sign in as before.
        #[default]
        Closed = "closed",
    }
}

crate::wire::words! {
    /// What a link is good for.
    pub enum InviteKind {
        /// A new account.
        SignUp = "sign_up",
        /// To sign in to an account without a passkey.
        SignIn = "sign_in",
        /// To become a member of an app.
        Member = "member",
    }
}
