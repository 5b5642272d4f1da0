module prices

go 1.22
