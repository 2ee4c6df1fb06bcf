import COpenSSL
import Wire

/// An ECDSA P-256 key and a certificate signed with it.
// @unchecked Sendable although pointers are not: both are set in init and only read afterwards, and OpenSSL counts its
// references to X509 and EVP_PKEY objects atomically.
final class SelfSignedCertificate: @unchecked Sendable {
  let x509: OpaquePointer
  let key: OpaquePointer

  /// Who a certificate is for.
  enum Name {
    case dns(String)
    case ip(IPAddress)
  }

  /// Valid from a day ago, so that a peer whose clock is behind accepts it, for `days` days. The dates come from the
  /// system's calendar: this is not the project's `Instant`, and only HTTPS clients look at them.
  init(commonName: String, names: [Name] = [], days: Int) throws(OpenSSLError) {
    OpenSSLErrorQueue.clear()
    let key = try Self.generateKey()
    guard let x509 = X509_new() else {
      EVP_PKEY_free(key)
      throw OpenSSLError("X509_new")
    }
    self.key = key
    self.x509 = x509
    try fill(commonName: commonName, days: days)
    if !names.isEmpty { try addServerExtensions(names) }
    try require(X509_sign(x509, key, EVP_sha256()), "X509_sign")
  }

  deinit {
    X509_free(x509)
    EVP_PKEY_free(key)
  }

  private static func generateKey() throws(OpenSSLError) -> OpaquePointer {
    let context = try required(EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil), "EVP_PKEY_CTX_new_id")
    defer { EVP_PKEY_CTX_free(context) }
    try require(EVP_PKEY_keygen_init(context), "EVP_PKEY_keygen_init")
    try require(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1), "P-256")
    var key: OpaquePointer?
    try require(EVP_PKEY_keygen(context, &key), "EVP_PKEY_keygen")
    return try required(key, "EVP_PKEY_keygen")
  }

  private func fill(commonName: String, days: Int) throws(OpenSSLError) {
    try require(X509_set_version(x509, 2), "X509_set_version")  // 2 means X.509 v3
    let serial = UInt64.random(in: 1...UInt64.max >> 1)
    try require(ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial), "serial number")
    _ = try required(X509_gmtime_adj(X509_getm_notBefore(x509), -86_400), "notBefore")
    _ = try required(X509_gmtime_adj(X509_getm_notAfter(x509), days * 86_400), "notAfter")
    let subject = X509_get_subject_name(x509)
    let name = Array(commonName.utf8)
    try require(
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_FLAG, name, Int32(clamping: name.count), -1, 0), "common name")
    try require(X509_set_issuer_name(x509, subject), "X509_set_issuer_name")
    try require(X509_set_pubkey(x509, key), "X509_set_pubkey")
  }

  /// What browsers demand of an HTTPS server's certificate: subject alternative names and the purpose.
  private func addServerExtensions(_ names: [Name]) throws(OpenSSLError) {
    try addExtension(NID_basic_constraints, "critical,CA:FALSE")
    try addExtension(NID_key_usage, "critical,digitalSignature")
    try addExtension(NID_ext_key_usage, "serverAuth")
    let list = try required(OPENSSL_sk_new_null(), "subject alternative names")
    defer { OPENSSL_sk_pop_free(list) { $0.map { GENERAL_NAME_free($0.assumingMemoryBound(to: GENERAL_NAME.self)) } } }
    for name in names {
      let entry = try Self.generalName(name)
      guard OPENSSL_sk_push(list, entry) > 0 else {
        GENERAL_NAME_free(entry)
        throw OpenSSLError("subject alternative names")
      }
    }
    let flags = UInt(X509V3_ADD_DEFAULT)
    try require(
      X509_add1_ext_i2d(x509, NID_subject_alt_name, UnsafeMutableRawPointer(list), 0, flags),
      "subject alternative names")
  }

  private func addExtension(_ nid: Int32, _ value: String) throws(OpenSSLError) {
    let new = try required(X509V3_EXT_conf_nid(nil, nil, nid, value), value)
    defer { X509_EXTENSION_free(new) }
    try require(X509_add_ext(x509, new, -1), value)
  }

  private static func generalName(_ name: Name) throws(OpenSSLError) -> UnsafeMutablePointer<GENERAL_NAME> {
    let (kind, type, bytes) =
      switch name {
      case .dns(let host): (GEN_DNS, V_ASN1_IA5STRING, Array(host.utf8))
      case .ip(let address): (GEN_IPADD, V_ASN1_OCTET_STRING, address.bytes)
      }
    let string = try required(ASN1_STRING_type_new(type), "ASN1_STRING")
    guard ASN1_STRING_set(string, bytes, Int32(clamping: bytes.count)) == 1, let entry = GENERAL_NAME_new() else {
      ASN1_STRING_free(string)
      throw OpenSSLError("GENERAL_NAME")
    }
    GENERAL_NAME_set0_value(entry, kind, string)  // takes `string`
    return entry
  }
}
