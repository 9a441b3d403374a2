//! Writes generated WebAssembly modules to standard output, each as a little-endian u32
//! length and its bytes: `smith FIRST COUNT`. The same seeds give the same modules.
use arbitrary::Unstructured;
use std::io::{BufWriter, Write};
use wasm_smith::{Config, Module};

fn main() {
    let mut args = std::env::args().skip(1).map(|a| a.parse::<u64>().expect("a number"));
    let (first, count) = (args.next().expect("FIRST"), args.next().expect("COUNT"));
    let config = Config {
        allow_start_export: false,
        max_imports: 0,
        min_funcs: 3,
        max_funcs: 8,
        min_memories: 1,
        max_memories: 1,
        min_tables: 1,
        min_globals: 1,
        min_types: 2,
        max_types: 8,
        max_memory32_bytes: 1 << 20,
        max_table_elements: 1000,
        max_data_segments: 2,
        max_element_segments: 2,
        memory_offset_choices: wasm_smith::MemoryOffsetChoices(100, 1, 0),
        export_everything: true,
        gc_enabled: false,
        exceptions_enabled: false,
        threads_enabled: false,
        tail_call_enabled: false,
        relaxed_simd_enabled: false,
        memory64_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        extended_const_enabled: false,
        ..Config::default()
    };
    let mut out = BufWriter::new(std::io::stdout().lock());
    for seed in first..first + count {
        let bytes = noise(seed);
        let mut source = Unstructured::new(&bytes);
        let module = Module::new(config.clone(), &mut source).expect("a module").to_bytes();
        out.write_all(&(module.len() as u32).to_le_bytes()).expect("write");
        out.write_all(&module).expect("write");
    }
}

/// 2,048 bytes of xorshift.
fn noise(seed: u64) -> Vec<u8> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..256)
        .flat_map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            x.to_le_bytes()
        })
        .collect()
}
