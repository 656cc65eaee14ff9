//! JavaScript: the libraries beside Node.js, and code that means harm.

mod advisories;
mod hostile;
mod libraries;
mod modules;
