//! JavaScript: the libraries beside Node.js, and code that means harm.

mod hostile;
mod libraries;
