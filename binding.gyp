{
  'targets': [
    {
      'target_name': 'nvmem',
      'sources': [
        'native/binding/binding.cc',
        'native/binding/bound_function.cc',
        'native/binding/environment.cc',
        'native/binding/mailbox.cc',
        # Everything that knows no Node: also compiled, with its tests, by test/native/Makefile.
        '<!@(ls native/util/*.cc native/srcu/*.cc native/slot/*.cc native/bus/*.cc native/usbip/*.cc native/cp2112/*.cc native/i2c/*.cc native/provider/*.cc)',
      ],
      'include_dirs': ['.', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=9',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A terminated worker, or a completion at a natural exit, must not abort the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
      'cflags_cc': ['-std=c++20', '-fvisibility=hidden', '-fvisibility-inlines-hidden', '-Wall', '-Wextra'],
      'ldflags': [
        # The image stays mapped when the worker that loaded it ends: native threads and thread-locals point into it.
        '-Wl,-z,nodelete',
        '-Wl,--exclude-libs,ALL',
      ],
    },
  ],
}
