#if arch(x86_64)
  import CIPsecMB

  /// intel-ipsec-mb's entry points, for two kinds of instructions.
  struct IPsecMBManagers {
    /// The widest vectors that the processor has: HMAC-SHA1 of up to 16 packets side by side.
    let wide: UnsafeMutablePointer<IMB_MGR>
    /// SHA instructions, two packets at a time, where the processor has them: less work for few packets.
    let narrow: UnsafeMutablePointer<IMB_MGR>

    /// nil where the processor lacks AES instructions. Whoever has them calls `free` once.
    init?() {
      guard let wide = Self.make({ init_mb_mgr_auto($0, nil) }) else { return nil }
      // The flavour that has SHA instructions.
      guard let narrow = Self.make(init_mb_mgr_sse) else {
        free_mb_mgr(wide)
        return nil
      }
      self.wide = wide
      self.narrow = narrow
    }

    func free() {
      free_mb_mgr(wide)
      free_mb_mgr(narrow)
    }

    private static func make(
      _ initialize: (UnsafeMutablePointer<IMB_MGR>) -> Void
    ) -> UnsafeMutablePointer<IMB_MGR>? {
      guard let manager = alloc_mb_mgr(0) else { return nil }
      initialize(manager)
      let needed = UInt64(IMB_FEATURE_AESNI) | UInt64(IMB_FEATURE_PCLMULQDQ)
      guard manager.pointee.features & needed == needed, manager.pointee.gcm128_enc != nil else {
        free_mb_mgr(manager)
        return nil
      }
      return manager
    }
  }
#endif
