//! The engine's C interface without anything of ours around it, for `defects`. What is global in the engine (its log), or ends
//! the process, runs in a child: the same test binary, told by an argument which of its ignored tests to be.
#![allow(clippy::undocumented_unsafe_blocks)]

use std::ffi::{CString, c_char};
use std::process::{Command, Output};
use std::ptr;
use wasmedge_sys::ffi::*;

pub fn wrap(text: &str) -> WasmEdge_String {
    unsafe { WasmEdge_StringWrap(text.as_ptr().cast::<c_char>(), text.len() as u32) }
}

pub struct Raw {
    pub config: *mut WasmEdge_ConfigureContext,
    pub statistics: *mut WasmEdge_StatisticsContext,
    pub executor: *mut WasmEdge_ExecutorContext,
    store: *mut WasmEdge_StoreContext,
}

impl Raw {
    pub fn new() -> Self {
        Self {
            config: unsafe { WasmEdge_ConfigureCreate() },
            statistics: ptr::null_mut(),
            executor: ptr::null_mut(),
            store: ptr::null_mut(),
        }
    }

    /// The code of the first phase that fails; on success the instance.
    pub fn instantiate(&mut self, bytes: &[u8]) -> Result<*mut WasmEdge_ModuleInstanceContext, u32> {
        let (mut module, mut instance) = (ptr::null_mut(), ptr::null_mut());
        unsafe {
            let loader = WasmEdge_LoaderCreate(self.config);
            checked(WasmEdge_LoaderParseFromBytes(loader, &mut module, WasmEdge_BytesWrap(bytes.as_ptr(), bytes.len() as u32)))?;
            checked(WasmEdge_ValidatorValidate(WasmEdge_ValidatorCreate(self.config), module))?;
            self.executor = WasmEdge_ExecutorCreate(self.config, self.statistics);
            self.store = WasmEdge_StoreCreate();
            let logging = WasmEdge_PluginFind(wrap("wasi_logging"));
            if !logging.is_null() {
                let host = WasmEdge_PluginCreateModule(logging, wrap("wasi:logging/logging"));
                checked(WasmEdge_ExecutorRegisterImport(self.executor, self.store, host))?;
            }
            checked(WasmEdge_ExecutorInstantiate(self.executor, &mut instance, self.store, module))?;
        }
        Ok(instance)
    }

    /// Calls a function without parameters or results.
    pub fn call(&self, instance: *mut WasmEdge_ModuleInstanceContext, name: &str) -> Result<(), u32> {
        unsafe {
            let function = WasmEdge_ModuleInstanceFindFunction(instance, wrap(name));
            checked(WasmEdge_ExecutorInvoke(self.executor, function, ptr::null(), 0, ptr::null_mut(), 0))
        }
    }
}

fn checked(result: WasmEdge_Result) -> Result<(), u32> {
    unsafe { if WasmEdge_ResultOK(result) { Ok(()) } else { Err(WasmEdge_ResultGetCode(result)) } }
}

/// Pages of the exported memory.
pub fn pages(instance: *mut WasmEdge_ModuleInstanceContext) -> u64 {
    unsafe { WasmEdge_MemoryInstanceGetPageSize(WasmEdge_ModuleInstanceFindMemory(instance, wrap("memory"))) }
}

/// A WASI module with one preopen.
pub fn wasi(preopen: &str) -> *mut WasmEdge_ModuleInstanceContext {
    let preopen = CString::new(preopen).unwrap();
    unsafe { WasmEdge_ModuleInstanceCreateWASI(ptr::null(), 0, ptr::null(), 0, &preopen.as_ptr(), 1) }
}

/// Runs one of the ignored tests below `defects::child` in a process of its own.
pub fn child(name: &str, argument: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("defects::child::{name}"), "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("SKIFF_DEFECT", argument).output().unwrap()
}

/// What the parent gave; none if somebody runs the ignored tests by hand.
pub fn argument() -> Option<String> {
    std::env::var("SKIFF_DEFECT").ok()
}

/// Ends a child, past the test harness.
pub fn end(code: i32) -> ! {
    unsafe { libc::_exit(code) }
}
