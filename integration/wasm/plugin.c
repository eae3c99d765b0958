// A plugin of the simplest kind, for the tests: one module `demo` with one function `answer`, which gives 42.
#include <wasmedge/wasmedge.h>
static WasmEdge_Result answer(void *d, const WasmEdge_CallingFrameContext *f, const WasmEdge_Value *in, WasmEdge_Value *out) {
    out[0] = WasmEdge_ValueGenI32(42); return WasmEdge_Result_Success; }
static WasmEdge_ModuleInstanceContext *create(const WasmEdge_ModuleDescriptor *d) {
    WasmEdge_ModuleInstanceContext *m = WasmEdge_ModuleInstanceCreate(WasmEdge_StringWrap("demo", 4));
    WasmEdge_ValType type = WasmEdge_ValTypeGenI32();
    WasmEdge_FunctionTypeContext *t = WasmEdge_FunctionTypeCreate(0, 0, &type, 1);
    WasmEdge_ModuleInstanceAddFunction(m, WasmEdge_StringWrap("answer", 6), WasmEdge_FunctionInstanceCreate(t, answer, 0, 0));
    return m; }
static WasmEdge_ModuleDescriptor modules[] = {{ "demo", "", create }};
static WasmEdge_PluginDescriptor plugin = { "demo_plugin", "", WasmEdge_Plugin_CurrentAPIVersion, { 0, 1, 0, 0 }, 1, 0, modules, 0 };
WASMEDGE_CAPI_PLUGIN_EXPORT const WasmEdge_PluginDescriptor *WasmEdge_Plugin_GetDescriptor(void) { return &plugin; }
