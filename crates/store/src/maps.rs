//! Maps of the hot path.

/// A map whose keys no caller chooses: ids that the service made, and hashes of secrets. It needs
/// no hash that withstands chosen keys, and that hash was a twentieth of a verify.
pub type KeyMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// A set of such keys.
pub type KeySet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
