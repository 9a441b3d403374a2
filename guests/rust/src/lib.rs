//! The kit for guests written in Rust, without dependencies. A guest is a manifest and one
//! function that turns the items of a version into statements:
//!
//! ```ignore
//! use ichor_guest::{reject, Outcome, Statements, Version};
//!
//! ichor_guest::guest!(include_str!("../manifest.json"), convert);
//!
//! fn convert(version: Version, out: &mut Statements) -> Outcome {
//!     for item in version.items() {
//!         let name = item.payload().field("name");
//!         if !name.is_string() {
//!             return reject!(1, "item {}: name is not a string", item.index());
//!         }
//!         out.exec(1, &[name.arg(), version.arg()]);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Everything except the exports also builds and runs natively, so a guest's own functions
//! need no host for their tests. The contract is ABI.md of the project.
#![deny(unsafe_code, missing_docs)]

mod frame;
#[cfg(test)]
mod golden;
mod host;
mod program;
mod statements;
mod value;
mod version;

pub use host::{log, Level};
pub use program::Program;
pub use statements::{Arg, Outcome, Statements, Stop};
pub use value::{Kind, Members, Value};
pub use version::{Item, Items, Version};

/// Defines what the module exports: a manifest, which is a `&'static str`, and a function of
/// the type `fn(Version, &mut Statements) -> Outcome`.
#[macro_export]
macro_rules! guest {
    ($manifest:expr, $convert:path) => {
        #[cfg(target_arch = "wasm32")]
        mod ichor_exports {
            std::thread_local! {
                static PROGRAM: std::cell::RefCell<$crate::Program> = std::cell::RefCell::new($crate::Program::new(super::ICHOR_CONVERT));
            }
            #[no_mangle]
            pub extern "C" fn _initialize() {
                $crate::Program::catch_panics();
            }
            #[no_mangle]
            pub extern "C" fn ichor_abi_v1() {}
            #[no_mangle]
            pub extern "C" fn ichor_describe() -> u64 {
                $crate::Program::pack(super::ICHOR_MANIFEST.as_ptr() as usize as u32, super::ICHOR_MANIFEST.len() as u32)
            }
            #[no_mangle]
            pub extern "C" fn ichor_alloc(size: u32) -> u32 {
                PROGRAM.with(|p| p.borrow_mut().alloc(size))
            }
            #[no_mangle]
            pub extern "C" fn ichor_convert(address: u32, size: u32) -> u64 {
                PROGRAM.with(|p| p.borrow_mut().convert(address, size))
            }
        }
        #[allow(dead_code)] // elsewhere than in a module there are no exports
        const ICHOR_MANIFEST: &str = $manifest;
        #[allow(dead_code)]
        const ICHOR_CONVERT: fn($crate::Version, &mut $crate::Statements) -> $crate::Outcome = $convert;
    };
}

/// Rejects the version: `return reject!(code, "item {}: {}", index, why)`. Codes are the
/// guest's own; they end in the quarantine and in metrics, so keep them stable and few, and
/// put what varies into the message.
#[macro_export]
macro_rules! reject {
    ($code:expr, $($message:tt)+) => {
        Err($crate::Stop::Reject { code: $code, message: format!($($message)+) })
    };
}
