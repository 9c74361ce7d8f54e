{
  'variables': {
    # The package "usb" ships libusb's source, and may lie beside this one as well as inside. Relative: gyp's makefiles have
    # no rule for sources with absolute names.
    'libusb_dir': '<!(node -p "path.relative(\'.\', path.join(require.resolve(\'usb/package.json\'), \'../libusb/libusb\'))")',
  },
  'targets': [
    {
      # Not the target of that package's libusb.gypi: it takes use_udev from the command line only.
      'target_name': 'libusb',
      'type': 'static_library',
      'sources': ['<!@(sed "s|^|<(libusb_dir)/|" native/libusb/sources.txt)'],
      'include_dirs': ['native/libusb', '<(libusb_dir)', '<(libusb_dir)/os'],
      'cflags': ['-fvisibility=hidden', '-w'],
      'direct_dependent_settings': {'include_dirs': ['<(libusb_dir)']},
    },
    {
      'target_name': 'nvmem',
      'dependencies': ['libusb'],
      'sources': [
        # All but the first know no Node: test/native/Makefile compiles them too, with their tests.
        '<!@(node native/units.mjs build/units native/binding native/util native/srcu native/slot native/memory native/pins native/bus native/gpio native/hotplug native/i2c native/sysfs native/usb native/usbip native/cp2112 native/cp2112/transport native/at24)',
      ],
      'include_dirs': ['.', '<!(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': [
        'NAPI_VERSION=9',
        'NAPI_DISABLE_CPP_EXCEPTIONS',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A terminated worker, or a completion at a natural exit, must not abort the process.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # std::bad_alloc is caught where a job's step, a thread or a call from JavaScript begins, and becomes -ENOMEM there.
      'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-exceptions'],
      'cflags_cc': ['-std=c++20', '-fexceptions', '-fvisibility=hidden', '-fvisibility-inlines-hidden', '-Wall', '-Wextra'],
      'ldflags': [
        # The image stays mapped when the worker that loaded it ends: native threads and thread-locals point into it.
        '-Wl,-z,nodelete',
        '-Wl,--exclude-libs,ALL',
      ],
    },
  ],
}
