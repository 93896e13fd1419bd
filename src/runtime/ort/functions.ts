/**
 * @file The functions of ONNX Runtime's C API that the runtime calls: where each stands in the API's table, and its C type.
 *
 * The table only ever grows at its end, so a place holds for all later versions. Pointers to be filled are written as `out`.
 */

/** A function that may fail returns a status, which is null where it did not. */
const STATUS = "void *";

export const FUNCTIONS = {
  GetErrorMessage: [2, "const char *", "void *status"],
  ReleaseStatus: [93, "void", "void *status"],

  CreateEnv: [3, STATUS, "int severity, const char *name, void *out"],
  CreateEnvWithGlobalThreadPools: [119, STATUS, "int severity, const char *name, void *threading, void *out"],
  CreateThreadingOptions: [121, STATUS, "void *out"],
  ReleaseThreadingOptions: [122, "void", "void *threading"],
  SetGlobalIntraOpNumThreads: [147, STATUS, "void *threading, int count"],
  SetGlobalInterOpNumThreads: [148, STATUS, "void *threading, int count"],
  SetGlobalSpinControl: [149, STATUS, "void *threading, int spins"],
  SetGlobalDenormalAsZero: [155, STATUS, "void *threading"],

  CreateSessionOptions: [10, STATUS, "void *out"],
  ReleaseSessionOptions: [100, "void", "void *options"],
  EnableProfiling: [14, STATUS, "void *options, PATH prefix"],
  DisableMemPattern: [17, STATUS, "void *options"],
  SetSessionLogSeverityLevel: [22, STATUS, "void *options, int severity"],
  SetSessionGraphOptimizationLevel: [23, STATUS, "void *options, int level"],
  SetIntraOpNumThreads: [24, STATUS, "void *options, int count"],
  SetInterOpNumThreads: [25, STATUS, "void *options, int count"],
  DisablePerSessionThreads: [120, STATUS, "void *options"],
  AddSessionConfigEntry: [130, STATUS, "void *options, const char *key, const char *value"],
  SessionOptionsAppendExecutionProvider: [
    216,
    STATUS,
    "void *options, const char *provider, const char **keys, const char **values, size_t count",
  ],
  CreateCUDAProviderOptions: [205, STATUS, "void *out"],
  UpdateCUDAProviderOptions: [206, STATUS, "void *cuda, const char **keys, const char **values, size_t count"],
  SessionOptionsAppendExecutionProvider_CUDA_V2: [204, STATUS, "void *options, void *cuda"],
  ReleaseCUDAProviderOptions: [208, "void", "void *cuda"],

  CreateSession: [7, STATUS, "void *env, PATH path, void *options, void *out"],
  CreateSessionFromArray: [8, STATUS, "void *env, void *model, size_t bytes, void *options, void *out"],
  ReleaseSession: [95, "void", "void *session"],
  SessionGetInputCount: [30, STATUS, "void *session, void *out"],
  SessionGetOutputCount: [31, STATUS, "void *session, void *out"],
  SessionGetInputTypeInfo: [33, STATUS, "void *session, size_t index, void *out"],
  SessionGetOutputTypeInfo: [34, STATUS, "void *session, size_t index, void *out"],
  SessionGetInputName: [36, STATUS, "void *session, size_t index, void *allocator, void *out"],
  SessionGetOutputName: [37, STATUS, "void *session, size_t index, void *allocator, void *out"],
  CastTypeInfoToTensorInfo: [55, STATUS, "void *info, void *out"],
  ReleaseTypeInfo: [98, "void", "void *info"],

  GetTensorElementType: [60, STATUS, "void *info, void *out"],
  GetDimensionsCount: [61, STATUS, "void *info, void *out"],
  GetDimensions: [62, STATUS, "void *info, void *dims, size_t count"],
  GetSymbolicDimensions: [63, STATUS, "void *info, void *names, size_t count"],
  ReleaseTensorTypeAndShapeInfo: [99, "void", "void *info"],

  CreateMemoryInfo: [68, STATUS, "const char *name, int allocator, int device, int memory, void *out"],
  CreateCpuMemoryInfo: [69, STATUS, "int allocator, int memory, void *out"],
  CreateAllocator: [131, STATUS, "void *session, void *memory, void *out"],
  ReleaseAllocator: [132, "void", "void *allocator"],
  GetAllocatorWithDefaultOptions: [78, STATUS, "void *out"],
  AllocatorFree: [76, STATUS, "void *allocator, void *pointer"],

  CreateTensorAsOrtValue: [48, STATUS, "void *allocator, void *dims, size_t rank, int type, void *out"],
  CreateTensorWithDataAsOrtValue: [
    49,
    STATUS,
    "void *memory, void *data, size_t bytes, void *dims, size_t rank, int type, void *out",
  ],
  GetTensorMutableData: [51, STATUS, "void *value, void *out"],
  GetTensorTypeAndShape: [65, STATUS, "void *value, void *out"],
  ReleaseValue: [96, "void", "void *value"],

  CreateRunOptions: [39, STATUS, "void *out"],
  ReleaseRunOptions: [97, "void", "void *options"],
  RunOptionsSetTerminate: [46, STATUS, "void *options"],
  RunOptionsUnsetTerminate: [47, STATUS, "void *options"],
  AddRunConfigEntry: [165, STATUS, "void *options, const char *key, const char *value"],

  RunWithBinding: [133, STATUS, "void *session, void *options, void *binding"],
  CreateIoBinding: [134, STATUS, "void *session, void *out"],
  ReleaseIoBinding: [135, "void", "void *binding"],
  BindInput: [136, STATUS, "void *binding, const char *name, void *value"],
  BindOutput: [137, STATUS, "void *binding, const char *name, void *value"],
  BindOutputToDevice: [138, STATUS, "void *binding, const char *name, void *memory"],
  GetBoundOutputValues: [140, STATUS, "void *binding, void *allocator, void *out, void *count"],
  ClearBoundInputs: [141, "void", "void *binding"],
  ClearBoundOutputs: [142, "void", "void *binding"],
} as const satisfies Record<string, readonly [place: number, result: string, parameters: string]>;

export type FunctionName = keyof typeof FUNCTIONS;
