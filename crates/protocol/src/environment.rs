//! The two environments, which never mix.

crate::wire::words! {
    /// Which half of an app a credential, a connection or a record belongs to.
    ///
    /// A credential sees only its own environment's connections, catalogue, audit and usage
    /// (PROTOCOL, Identifiers and secrets).
    pub enum Environment {
        /// Development and staging: free of charge, never counted against a plan.
        Test = "test",
        /// Production.
        Live = "live",
    }
}
