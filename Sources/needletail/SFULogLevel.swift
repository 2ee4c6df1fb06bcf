import SFU

/// `LogEvent` alone would be ambiguous beside swift-log's, and the module's name is also its main type's.
typealias SFULogLevel = LogEvent.Level
