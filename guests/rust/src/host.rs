//! What a module imports; the only unsafe code of the kit. Elsewhere, in a test, a line of
//! the log goes to the standard error, and a fault is a panic.

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Level {
    Debug = 0,
    Info = 1,
    Warn = 2,
    Error = 3,
}

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)] // the host only reads, within the slice; and has checked what it wrote
mod imports {
    #[link(wasm_import_module = "ichor_v1")]
    extern "C" {
        fn log(level: u32, address: *const u8, size: u32);
        fn abort(address: *const u8, size: u32) -> !;
    }

    pub fn write(level: super::Level, line: &str) {
        unsafe { log(level as u32, line.as_ptr(), line.len() as u32) }
    }

    pub fn text(bytes: &[u8]) -> &str {
        unsafe { std::str::from_utf8_unchecked(bytes) }
    }

    pub fn end(why: &str) -> ! {
        unsafe { abort(why.as_ptr(), why.len() as u32) }
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod imports {
    pub fn write(level: super::Level, line: &str) {
        eprintln!("{:?}: {}", level, line);
    }

    pub fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).expect("the host's texts are UTF-8")
    }

    pub fn end(why: &str) -> ! {
        panic!("{}", why)
    }
}

/// Writes a line to the host's log.
pub fn log(level: Level, line: &str) {
    imports::write(level, line);
}

/// Ends the call as a fault.
pub(crate) fn abort(why: &str) -> ! {
    imports::end(why)
}

/// The host's bytes as text: in a module they are UTF-8, as the contract says.
pub(crate) fn text(bytes: &[u8]) -> &str {
    imports::text(bytes)
}
