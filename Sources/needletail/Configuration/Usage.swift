/// `--help` and the reference, both from the table of keys.
enum Usage {
  static var help: String {
    var text = """
      needletail: a WebRTC SFU for Linux

      usage: needletail [--config FILE] [--dev] [--KEY VALUE ...]

        --config FILE   YAML file of the keys below (environment: NEEDLETAIL_CONFIG)
        --dev           for trying things out: listens on every address, takes no tokens, and says so
        --check         read the configuration and the files it names, say what is wrong, and end
        --reference     print the reference of all keys as Markdown, and end
        --version       print the version, and end
        --help          print this, and end

      Every key can stand in the file (port: 8443), in the environment (NEEDLETAIL_PORT=8443) and on the command line
      (--port 8443). A flag beats the environment, which beats the file. Lists are parted by commas outside the file.


      """
    for setting in Setting.all {
      text += "  \(setting.flag)\(setting.isBoolean ? "" : " VALUE")\n"
      text += "      \(setting.help)\n      Takes \(setting.allowed). Default: \(setting.defaultText).\n"
    }
    return text
  }

  /// A Markdown table.
  static var reference: String {
    var text = "| key | takes | default | what it does |\n|---|---|---|---|\n"
    for setting in Setting.all {
      let cells = ["`\(setting.name)`", setting.allowed, setting.defaultText, setting.help]
      text += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
    }
    return text
  }
}
