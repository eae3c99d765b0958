//! The differences that are meant, each with its reason. One that no case needs any more fails the test.

/// Lines that may be only on one side.
pub struct Allowed {
    /// The case, or `*`.
    pub case: &'static str,
    /// How the line starts.
    pub starts: &'static str,
    /// What else it holds.
    pub holds: &'static str,
    /// Why skiff does not do as libcontainer.
    pub reason: &'static str,
}

/// All of them.
pub const ALLOWED: [Allowed; 0] = [];
