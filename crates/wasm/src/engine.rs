//! WasmEdge's C interface at the level of loader, validator, executor and store, as functions that cannot be called wrongly.
//!
//! Not its `VM`, which carries a cost table of 512 KiB, and not the SDK's executor, which adds two system calls to every host
//! call and frees statistics that it is lent. Contexts are never freed: the process runs one module and ends.

use crate::refusal::Refusal;
use std::ffi::{CStr, c_char};
use std::ptr;
use wasmedge_sys::ffi;

/// The version whose headers this was built with.
pub(crate) const BUILT: &str = env!("SKIFF_ENGINE_VERSION");

/// A string that the engine only reads during the call.
pub(crate) fn wrap(text: &str) -> ffi::WasmEdge_String {
    // SAFETY: pointer and length are one slice's; the engine copies or compares, and does not keep it.
    unsafe { ffi::WasmEdge_StringWrap(text.as_ptr().cast::<c_char>(), text.len() as u32) }
}

/// The version of the library in this process.
#[must_use]
pub fn version() -> String {
    // SAFETY: a constant of the library, NUL-terminated, valid for ever.
    unsafe { CStr::from_ptr(ffi::WasmEdge_VersionGet()) }.to_string_lossy().into_owned()
}

/// The library is the one that this was built with: its structures cross the border by value.
pub(crate) fn check_version() -> Result<(), Refusal> {
    let found = version();
    if found == BUILT { Ok(()) } else { Err(Refusal::Version(found)) }
}

/// How a call into the engine failed.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: u32,
    pub(crate) message: String,
}

/// How guest code ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It returned, with an i32 if it has one to return.
    Returned(Option<i32>),
    /// It called proc_exit; the WASI module has the code.
    Exited,
}

/// Success, and whether it was `proc_exit`: that counts as one.
fn checked(result: ffi::WasmEdge_Result) -> Result<bool, Failure> {
    // SAFETY: takes a value, looks at it.
    let code = unsafe { ffi::WasmEdge_ResultGetCode(result) };
    // SAFETY: takes a value, looks at it.
    if unsafe { ffi::WasmEdge_ResultOK(result) } {
        return Ok(code == ffi::WasmEdge_ErrCode_Terminated);
    }
    // SAFETY: takes a value, returns a constant of the library, NUL-terminated.
    let message = unsafe { CStr::from_ptr(ffi::WasmEdge_ResultGetMessage(result)) };
    Err(Failure { code, message: message.to_string_lossy().into_owned() })
}

fn made<T>(context: *mut T, what: &str) -> Result<*mut T, Refusal> {
    if context.is_null() { Err(Refusal::Engine(format!("no {what}"))) } else { Ok(context) }
}

/// What the engine is told before it loads.
pub(crate) struct Settings {
    /// Use the native code in the bytes; they are trusted.
    pub(crate) compiled: bool,
    pub(crate) pages: u64,
    pub(crate) fuel: Option<u64>,
}

/// An executor with its store, and the module that was loaded.
pub(crate) struct Engine {
    executor: *mut ffi::WasmEdge_ExecutorContext,
    store: *mut ffi::WasmEdge_StoreContext,
    module: *mut ffi::WasmEdge_ASTModuleContext,
}

impl Engine {
    /// Loads and validates.
    pub(crate) fn load(bytes: &[u8], settings: &Settings) -> Result<Self, Refusal> {
        let config = configure(settings)?;
        let module = parse(config, bytes)?;
        validate(config, module)?;
        let statistics = settings.fuel.map_or(Ok(ptr::null_mut()), |_| {
            // SAFETY: no arguments.
            made(unsafe { ffi::WasmEdge_StatisticsCreate() }, "statistics")
        })?;
        // SAFETY: both contexts are live, or the second is null, which means none; the executor keeps the statistics, which live
        // on.
        let executor = made(unsafe { ffi::WasmEdge_ExecutorCreate(config, statistics) }, "executor")?;
        if let Some(fuel) = settings.fuel {
            // SAFETY: a live context. Only now: making the executor resets the limit.
            unsafe { ffi::WasmEdge_StatisticsSetCostLimit(statistics, fuel) };
        }
        // SAFETY: no arguments.
        let store = made(unsafe { ffi::WasmEdge_StoreCreate() }, "store")?;
        Ok(Self { executor, store, module })
    }

    /// Offers a host module's functions to the module's imports.
    pub(crate) fn offer(&self, host: &Host) -> Result<(), Refusal> {
        // SAFETY: three live contexts; the store refers to the host module, which is never freed.
        let result = unsafe { ffi::WasmEdge_ExecutorRegisterImport(self.executor, self.store, host.0) };
        checked(result).map(drop).map_err(|failure| Refusal::Engine(failure.message))
    }

    /// Instantiates: memories are made, data is copied, and a start function runs. Guest code from here on. `None`: it has
    /// exited.
    pub(crate) fn instantiate(&self) -> Result<Option<Instance>, Failure> {
        let mut instance = ptr::null_mut();
        // SAFETY: live contexts, and a pointer of ours to be filled.
        let exited =
            checked(unsafe { ffi::WasmEdge_ExecutorInstantiate(self.executor, &mut instance, self.store, self.module) })?;
        Ok((!exited).then_some(Instance(instance)))
    }

    /// Calls an exported function without parameters that returns nothing or one i32.
    pub(crate) fn call(&self, instance: &Instance, name: &str, returns: bool) -> Result<Ended, Failure> {
        // SAFETY: a live instance; the name is read during the call.
        let function = unsafe { ffi::WasmEdge_ModuleInstanceFindFunction(instance.0, wrap(name)) };
        if function.is_null() {
            return Err(Failure { code: ffi::WasmEdge_ErrCode_FuncNotFound, message: format!("no function {name}") });
        }
        // SAFETY: makes a value.
        let mut value = unsafe { ffi::WasmEdge_ValueGenI32(0) };
        // SAFETY: live contexts; no parameters; room for one value, which is as many as the type has (`entry` has checked it).
        let exited = checked(unsafe {
            ffi::WasmEdge_ExecutorInvoke(self.executor, function, ptr::null(), 0, &mut value, returns.into())
        })?;
        // SAFETY: an i32, made above or by the engine.
        let value = unsafe { ffi::WasmEdge_ValueGetI32(value) };
        Ok(if exited { Ended::Exited } else { Ended::Returned(returns.then_some(value)) })
    }
}

/// An instance of the module.
pub(crate) struct Instance(*mut ffi::WasmEdge_ModuleInstanceContext);

fn configure(settings: &Settings) -> Result<*mut ffi::WasmEdge_ConfigureContext, Refusal> {
    // SAFETY: no arguments.
    let config = made(unsafe { ffi::WasmEdge_ConfigureCreate() }, "configuration")?;
    let mode = if settings.compiled { ffi::WasmEdge_RunMode_AOT } else { ffi::WasmEdge_RunMode_Interpreter };
    // SAFETY: a live context and a constant. Only in this mode is native code in the bytes looked at.
    unsafe { ffi::WasmEdge_ConfigureSetRunMode(config, mode) };
    // SAFETY: a live context.
    unsafe { ffi::WasmEdge_ConfigureSetMaxMemoryPage(config, settings.pages) };
    if settings.fuel.is_some() {
        // SAFETY: a live context.
        unsafe { ffi::WasmEdge_ConfigureStatisticsSetCostMeasuring(config, true) };
    }
    Ok(config)
}

fn parse(config: *mut ffi::WasmEdge_ConfigureContext, bytes: &[u8]) -> Result<*mut ffi::WasmEdge_ASTModuleContext, Refusal> {
    // With its code it may be larger than the file.
    let length = u32::try_from(bytes.len()).map_err(|_| Refusal::Invalid("with its code it is larger than 4 GiB".into()))?;
    // SAFETY: a live context.
    let loader = made(unsafe { ffi::WasmEdge_LoaderCreate(config) }, "loader")?;
    // SAFETY: pointer and length are one slice's, which outlives the call below.
    let wrapped = unsafe { ffi::WasmEdge_BytesWrap(bytes.as_ptr(), length) };
    let mut module = ptr::null_mut();
    // SAFETY: a live context, a pointer of ours to be filled, bytes that are copied.
    checked(unsafe { ffi::WasmEdge_LoaderParseFromBytes(loader, &mut module, wrapped) }).map_err(invalid)?;
    Ok(module)
}

fn validate(config: *mut ffi::WasmEdge_ConfigureContext, module: *mut ffi::WasmEdge_ASTModuleContext) -> Result<(), Refusal> {
    // SAFETY: a live context.
    let validator = made(unsafe { ffi::WasmEdge_ValidatorCreate(config) }, "validator")?;
    // SAFETY: two live contexts.
    checked(unsafe { ffi::WasmEdge_ValidatorValidate(validator, module) }).map(drop).map_err(invalid)
}

fn invalid(failure: Failure) -> Refusal {
    // The engine's own words for it are "malformed limits flags".
    if failure.code == ffi::WasmEdge_ErrCode_MalformedLimitFlags {
        return Refusal::Invalid("shared memory (threads) is not offered".into());
    }
    Refusal::Invalid(match crate::log::place() {
        Some(place) => format!("{} ({place})", failure.message),
        None => failure.message,
    })
}

/// A host module: WASI, or one of ours, or a plugin's.
#[derive(Clone, Copy)]
pub(crate) struct Host(pub(crate) *mut ffi::WasmEdge_ModuleInstanceContext);

/// A function of the host, in C's terms.
pub(crate) type Function = unsafe extern "C" fn(
    *mut libc::c_void,
    *const ffi::WasmEdge_CallingFrameContext,
    *const ffi::WasmEdge_Value,
    *mut ffi::WasmEdge_Value,
) -> ffi::WasmEdge_Result;

impl Host {
    /// An empty module of this name.
    pub(crate) fn new(name: &str) -> Result<Self, Refusal> {
        // SAFETY: the name is copied.
        made(unsafe { ffi::WasmEdge_ModuleInstanceCreate(wrap(name)) }, "host module").map(Self)
    }

    /// The name that imports use.
    pub(crate) fn name(&self) -> String {
        // SAFETY: a live instance; the string is its own and copied at once.
        text(unsafe { ffi::WasmEdge_ModuleInstanceGetModuleName(self.0) })
    }

    /// The type of a function, if there is one of this name.
    pub(crate) fn function(&self, name: &str) -> Option<*const ffi::WasmEdge_FunctionTypeContext> {
        // SAFETY: a live instance; the name is read during the call.
        let function = unsafe { ffi::WasmEdge_ModuleInstanceFindFunction(self.0, wrap(name)) };
        if function.is_null() {
            return None;
        }
        // SAFETY: a live function; the type is part of it.
        Some(unsafe { ffi::WasmEdge_FunctionInstanceGetFunctionType(function) })
    }

    /// The names of all functions.
    pub(crate) fn functions(&self) -> Vec<String> {
        // SAFETY: a live instance.
        let length = unsafe { ffi::WasmEdge_ModuleInstanceListFunctionLength(self.0) };
        let mut names = vec![wrap(""); length as usize];
        // SAFETY: room for as many strings as are asked for; they are the instance's own.
        unsafe { ffi::WasmEdge_ModuleInstanceListFunction(self.0, names.as_mut_ptr(), length) };
        names.into_iter().map(text).collect()
    }

    /// Adds a function, or puts it in place of one.
    pub(crate) fn add(
        &self,
        name: &str,
        kind: *const ffi::WasmEdge_FunctionTypeContext,
        function: Function,
    ) -> Result<(), Refusal> {
        // SAFETY: a live type, which is copied; a function of the right signature that takes no data.
        let made_function = unsafe { ffi::WasmEdge_FunctionInstanceCreate(kind, Some(function), ptr::null_mut(), 0) };
        let function = made(made_function, "host function")?;
        // SAFETY: a live instance, which takes the function over; the name is copied.
        unsafe { ffi::WasmEdge_ModuleInstanceAddFunction(self.0, wrap(name), function) };
        Ok(())
    }
}

/// A function type of so many i32 that returns nothing.
pub(crate) fn takes_i32(count: usize) -> Result<*const ffi::WasmEdge_FunctionTypeContext, Refusal> {
    // SAFETY: makes a value.
    let parameters = vec![unsafe { ffi::WasmEdge_ValTypeGenI32() }; count];
    // SAFETY: pointer and length are one vector's, which is copied; no results.
    let kind = unsafe { ffi::WasmEdge_FunctionTypeCreate(parameters.as_ptr(), count as u32, ptr::null(), 0) };
    made(kind, "function type").map(<*mut _>::cast_const)
}

/// A copy of a string of the engine's.
pub(crate) fn text(string: ffi::WasmEdge_String) -> String {
    if string.Buf.is_null() {
        return String::new();
    }
    // SAFETY: the engine's own string: so many bytes are there, and nothing changes them during the copy.
    let bytes = unsafe { std::slice::from_raw_parts(string.Buf.cast::<u8>(), string.Length as usize) };
    String::from_utf8_lossy(bytes).into_owned()
}
