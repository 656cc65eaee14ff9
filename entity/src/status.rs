//! Status numbers and reasons as NocoBase stores them
//! (`packages/plugins/@nocobase/plugin-workflow/src/server/constants.ts`).

/// `executions.status`; NULL while queueing.
pub mod execution {
    pub const STARTED: i32 = 0;
    pub const RESOLVED: i32 = 1;
    pub const FAILED: i32 = -1;
    pub const ERROR: i32 = -2;
    pub const ABORTED: i32 = -3;
    pub const CANCELED: i32 = -4;
    pub const REJECTED: i32 = -5;
    pub const RETRY_NEEDED: i32 = -6;
}

/// `jobs.status`.
pub mod job {
    pub const PENDING: i32 = 0;
    pub const RESOLVED: i32 = 1;
    pub const FAILED: i32 = -1;
    pub const ERROR: i32 = -2;
    pub const ABORTED: i32 = -3;
    pub const CANCELED: i32 = -4;
    pub const REJECTED: i32 = -5;
    pub const RETRY_NEEDED: i32 = -6;
}

/// `executions.reason`.
pub mod reason {
    pub const TIMEOUT: &str = "timeout";
    pub const MANUAL_CANCEL: &str = "manual_cancel";
    pub const PARENT_ABORTED: &str = "parent_aborted";
}
