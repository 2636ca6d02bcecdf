module github.com/assaybus/assaybus

go 1.26.0
