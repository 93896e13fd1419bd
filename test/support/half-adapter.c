/*
 * A Vulkan library for a Chromium that computes with half precision in software. Chromium takes no software adapter but
 * SwiftShader, which has no halves; so the adapter of the driver that VK_DRIVER_FILES names is shown under SwiftShader's numbers.
 * Built by half-chromium.ts, for tests alone.
 */

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

typedef void (*function)(void);
typedef function (*lookup)(void *instance, const char *name);

/* The first members of VkPhysicalDeviceProperties. */
struct properties {
  uint32_t api, driver, vendor, device;
};

static void (*properties_of)(void *device, struct properties *properties);
static void (*properties2_of)(void *device, char *properties);

static void show(struct properties *properties) {
  properties->vendor = 0x1AE0;
  properties->device = 0xC0DE;
}

static void shown(void *device, struct properties *properties) {
  properties_of(device, properties);
  show(properties);
}

/* VkPhysicalDeviceProperties2 has a type and a pointer before them. */
static void shown2(void *device, char *properties) {
  properties2_of(device, properties);
  show((struct properties *)(properties + 16));
}

__attribute__((visibility("default"))) function vkGetInstanceProcAddr(void *instance, const char *name) {
  static lookup loader;
  if (!loader) {
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) library = dlopen("/usr/lib/x86_64-linux-gnu/libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return 0;
    loader = (lookup)dlsym(library, "vkGetInstanceProcAddr");
  }
  function found = loader(instance, name);
  if (!found) return found;
  if (!strcmp(name, "vkGetInstanceProcAddr")) return (function)vkGetInstanceProcAddr;
  if (!strcmp(name, "vkGetPhysicalDeviceProperties")) {
    properties_of = (void (*)(void *, struct properties *))found;
    return (function)shown;
  }
  if (!strcmp(name, "vkGetPhysicalDeviceProperties2") || !strcmp(name, "vkGetPhysicalDeviceProperties2KHR")) {
    properties2_of = (void (*)(void *, char *))found;
    return (function)shown2;
  }
  return found;
}
